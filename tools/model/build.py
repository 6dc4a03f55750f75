"""Makes the model folder: decides what is missing, makes that, and records it."""

import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import files as distribution_files
from pathlib import Path
from typing import Any

import onnx

from durable import locked, sha256, write_whole
from terminal import Unreachable

from . import VERSION, check, manifest, source
from .errors import BadWeights
from .manifest import Manifest
from .precision import Precision, build
from .source import Wanted
from .weights import LidWeights
from .wheels import SILERO_VAD, Cache, extract

MODEL = "lid.onnx"
VAD = "silero_vad.onnx"
RUNTIME = "libonnxruntime.so"
OUTPUTS = (MODEL, VAD, RUNTIME)

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


def run(request: Request, cache: Cache) -> bool:
    """Brings the folder in line with the request; False when it was already."""
    with locked(request.folder, lambda: cache.say(f"waiting for another run on {request.folder}")):
        return _run(request, cache)


def _run(request: Request, cache: Cache) -> bool:
    folder = request.folder
    old = manifest.read(folder)
    outputs = {name: old.outputs[name] for name in OUTPUTS if old and manifest.intact(folder, old, name)}
    if old is None or not _same_model(old, request):
        outputs.pop(MODEL, None)
    if len(outputs) == len(OUTPUTS):
        return False
    if RUNTIME not in outputs:
        _copy_runtime(folder)
        outputs[RUNTIME] = sha256(folder / RUNTIME)
        cache.say(f"{RUNTIME} is there")
    if VAD not in outputs:
        wheel = cache.get(SILERO_VAD)
        extract(wheel, _VAD_MEMBER, folder / VAD)
        outputs[VAD] = sha256(folder / VAD)
        cache.say(f"{VAD} is there")
    if old and MODEL in outputs:
        described = {"source": old.source, "model": old.model, "check": old.check}
    else:
        described = _make_model(request, cache)
        outputs[MODEL] = sha256(folder / MODEL)
        cache.say(f"{MODEL} is there")
    made = Manifest(
        format=manifest.FORMAT,
        tool=VERSION,
        environment=manifest.environment(),
        precision=request.precision.value,
        inputs={SILERO_VAD.file_name: SILERO_VAD.sha256},
        outputs={name: outputs[name] for name in OUTPUTS},
        **described,
    )
    manifest.write(folder, made)
    return True


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


def _copy_runtime(folder: Path) -> None:
    """Copies ONNX Runtime's library out of the installed wheel, whose hash pip has verified."""
    found = [
        Path(str(file.locate()))
        for file in distribution_files("onnxruntime") or ()
        if file.name.startswith("libonnxruntime.so")
    ]
    if len(found) != 1:
        raise Unreachable("the onnxruntime wheel for this machine holds no libonnxruntime.so")
    write_whole(folder / RUNTIME, lambda part: _copy(found[0], part))


def _copy(origin: Path, target: Path) -> None:
    shutil.copyfile(origin, target)
