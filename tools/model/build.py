"""Makes the model folder: decides what is missing, makes that, and records it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from durable import locked, sha256, write_whole

from . import VERSION, check, manifest, runtime, source
from .errors import BadWeights
from .manifest import Manifest
from .precision import Precision, build
from .runtime import Runtime
from .source import Wanted
from .weights import LidWeights
from .wheels import SILERO_VAD, Cache, extract

MODEL = "lid.onnx"
VAD = "silero_vad.onnx"
_ALL = (MODEL, VAD, *runtime.libraries(Runtime.CUDA))

_VAD_MEMBER = "silero_vad/data/silero_vad.onnx"
_WINDOW = 1_500
"""Frames of the 15 s that the engine looks at."""
LARGEST = (1 << 31) - (1 << 20)
"""Bytes of weights that fit a protobuf message, which an ONNX file is, beside the graph itself."""


@dataclass(frozen=True)
class Request:
    """What the person at the terminal asked for."""

    folder: Path
    wanted: Wanted
    precision: Precision
    runtime: Runtime = Runtime.CPU

    def outputs(self) -> tuple[str, ...]:
        """The files that the folder is to hold, besides the manifest."""
        return (MODEL, VAD, *runtime.libraries(self.runtime))


def run(request: Request, cache: Cache) -> bool:
    """Brings the folder in line with the request; False when it was already."""
    with locked(request.folder, lambda: cache.say(f"waiting for another run on {request.folder}")):
        return _run(request, cache)


def _run(request: Request, cache: Cache) -> bool:
    folder, names = request.folder, request.outputs()
    old = manifest.read(folder)
    missing = [name for name in names if old is None or not _usable(name, old, request)]
    surplus = set(old.outputs) & set(_ALL) - set(names) if old else set()
    if not missing and not surplus:
        return False
    described = {"source": old.source, "model": old.model, "check": old.check} if old else {}
    for name in missing:
        described |= _make(name, request, cache)
        cache.say(f"{name} is there")
    for name in surplus:
        (folder / name).unlink(missing_ok=True)
    wheels = (SILERO_VAD, *runtime.wheels(request.runtime))
    made = Manifest(
        format=manifest.FORMAT,
        tool=VERSION,
        environment=manifest.environment(),
        precision=request.precision.value,
        runtime=request.runtime.value,
        inputs={wheel.file_name: wheel.sha256 for wheel in wheels},
        outputs={name: sha256(folder / name) for name in names},
        **described,
    )
    manifest.write(folder, made)
    return True


def _usable(name: str, old: Manifest, request: Request) -> bool:
    """Whether the file is there, undamaged, and the one that the request would give."""
    if name == MODEL and not _same_model(old, request):
        return False
    if name in runtime.libraries(Runtime.CUDA) and old.runtime != request.runtime.value:
        return False
    return manifest.intact(request.folder, old, name)


def _make(name: str, request: Request, cache: Cache) -> dict[str, Any]:
    """Makes one file, and returns what the manifest is to say about it."""
    if name == MODEL:
        return _make_model(request, cache)
    if name == VAD:
        extract(cache.get(SILERO_VAD), _VAD_MEMBER, request.folder / VAD)
    else:
        runtime.place(request.runtime, name, request.folder, cache)
    return {}


def _same_model(old: Manifest, request: Request) -> bool:
    """Whether the request would give the model that is there."""
    wanted = request.wanted
    if old.precision != request.precision.value:
        return False
    if wanted.folder is not None:
        return old.source == source.describe_folder(wanted.folder)
    repository = old.source.get("repository", source.WHISPER_BASE_REPOSITORY)
    kind = old.source.get("kind")
    fits = kind in ("huggingface", "pypi") if wanted.origin == "auto" else kind == wanted.origin.value
    return fits and repository == wanted.repository


def _make_model(request: Request, cache: Cache) -> dict[str, Any]:
    found = source.find(request.wanted, cache)
    weights, precision = found.weights, request.precision
    _refuse_unusable(found.weights, precision)
    cache.say(f"making the {precision} graph: {len(weights.languages)} languages, width {weights.d_model}")
    models = build(weights, precision)
    cache.say("checking its answers")
    report = check.check(weights, models, precision, found.known)
    if report.reference is None:
        cache.say("no reference answers are known for these weights: compared with numpy alone")
    write_whole(request.folder / MODEL, lambda part: onnx.save(models[precision], part))
    return {
        "source": found.provenance,
        "model": {
            "d_model": weights.d_model,
            "n_mels": weights.n_mels,
            "encoder_layers": len(weights.encoder),
            "decoder_layers": len(weights.decoder),
            "languages": len(weights.languages),
            "fingerprint": weights.fingerprint(),
        },
        "check": asdict(report),
    }


def _refuse_unusable(weights: LidWeights, precision: Precision) -> None:
    if 2 * len(weights.positions) < _WINDOW:
        raise BadWeights(f"these weights take at most {2 * len(weights.positions)} frames, not {_WINDOW}")
    bytes_each = 2 if precision is Precision.F16 else 4
    size = weights.parameters() * bytes_each
    if size > LARGEST:
        advice = "" if precision is Precision.F16 else "; --precision f16 takes half of that"
        raise BadWeights(
            f"these weights make a graph of {size / 1e9:.1f} GB, and an ONNX file holds 2 GB{advice}"
        )
