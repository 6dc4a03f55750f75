"""The command line of the clip maker."""

import argparse
from pathlib import Path

from terminal import Parser, report, say

from . import VERSION, folder
from .folder import Place
from .packages import PACKAGES
from .plan import Wish

_CACHE = Path(__file__).resolve().parents[2] / ".cache"

_EXIT_CODES = """\
exit status:
  0    the folder holds the clips, made now or before
  64   the arguments are wrong
  65   a package does not hold what it should
  69   apt is not there, knows no such package, or cannot reach its servers
  74   the output or cache folder cannot be written
  130  interrupted; run it again, what is complete is kept
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the tool and returns its exit status."""
    options = _parser().parse_args(arguments)
    manifest = options.manifest or options.out.with_name(options.out.name + ".json")
    place = Place(options.out, manifest, options.cache, options.offline)
    wish = Wish(tuple(options.languages), options.count, options.seed, options.hard, options.variants)

    def work() -> None:
        made = folder.run(place, wish, say)
        say(f"{options.out} is complete" if made else f"{options.out} is complete: nothing to do")

    return report("make-clips", work)


def _parser() -> Parser:
    parser = Parser(
        prog="make-clips",
        description="Joins telephone prompts that people have spoken to clips of 10 to 30 s, 8 kHz mono. "
        "A clip's name begins with its true language: fr_03.wav. The prompts come from Debian packages, "
        "which are downloaded and unpacked, not installed.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"make-clips {VERSION}")
    parser.add_argument(
        "--out", type=Path, default=_CACHE / "clips", metavar="DIR", help="default: .cache/clips"
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="true language, duration and SHA-256 of each clip, as JSON; default: the output folder's "
        "name with .json behind it",
    )
    parser.add_argument(
        "--languages",
        type=_languages,
        default=list(PACKAGES),
        metavar="A,B,...",
        help=f"of {','.join(PACKAGES)}",
    )
    parser.add_argument("--count", type=_count, default=4, metavar="N", help="clips a language; default: 4")
    parser.add_argument("--seed", type=int, default=1, help="another seed joins other prompts; default: 1")
    parser.add_argument(
        "--hard",
        action="store_true",
        help="also clips that begin with 35 s of music, 40 s of silence, 9 s of another language",
    )
    parser.add_argument(
        "--variants",
        action="store_true",
        help="also clips in other formats (mu-law, A-law, ADPCM, GSM, mp3, FLAC, Vorbis) and stereo calls "
        "with one language a channel",
    )
    parser.add_argument("--offline", action="store_true", help="use no network, only what the cache has")
    parser.add_argument(
        "--cache", type=Path, default=_CACHE / "prompts", metavar="DIR", help="default: .cache/prompts"
    )
    return parser


def _languages(text: str) -> list[str]:
    languages = list(dict.fromkeys(text.split(",")))
    unknown = [language for language in languages if language not in PACKAGES]
    if unknown or len(languages) < 2:  # noqa: PLR2004 (an announcement needs another language)
        raise argparse.ArgumentTypeError(f"two or more of {','.join(PACKAGES)} are needed, not {text!r}")
    return languages


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 99:  # noqa: PLR2004 (names have two digits)
        raise argparse.ArgumentTypeError(f"a number from 0 to 99 is needed, not {text!r}")
    return int(text)
