"""`manifest.json`: what the folder holds, what it was made from, and how that was checked.

It is written last. A file counts only if the manifest has its SHA-256, so neither a run that was
cut off nor a file that was damaged later can pass for a finished one.
"""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from durable import sha256, write_whole

from . import VERSION

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The content of `manifest.json`."""

    format: int
    tool: str
    environment: dict[str, str]
    precision: str
    runtime: str
    source: dict[str, Any]
    model: dict[str, Any]
    check: dict[str, Any]
    inputs: dict[str, str]
    """Wheel file name to SHA-256, for what did not come with the weights."""
    outputs: dict[str, str]
    """File name to SHA-256."""


def environment() -> dict[str, str]:
    """What besides the tool and its inputs decides how the outputs look."""
    names = ("numpy", "onnx", "onnxruntime")
    return {name: version(name) for name in names} | {"machine": platform.machine()}


def read(folder: Path) -> Manifest | None:
    """The folder's manifest if this tool, in this environment, wrote it."""
    try:
        manifest = Manifest(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    same = (FORMAT, VERSION, environment()) == (manifest.format, manifest.tool, manifest.environment)
    return manifest if same and isinstance(manifest.outputs, dict) else None


def write(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, whole or not at all."""
    text = json.dumps(asdict(manifest), indent=2) + "\n"
    write_whole(folder / NAME, lambda part: _write(part, text))


def intact(folder: Path, manifest: Manifest, name: str) -> bool:
    """Whether the folder has the file as the manifest says."""
    path = folder / name
    return path.is_file() and sha256(path) == manifest.outputs.get(name)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
