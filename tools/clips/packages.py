"""Debian packages with prompts that people have spoken for telephone systems.

They are downloaded with apt, which verifies Debian's signatures, and unpacked beside the checkout:
nothing is installed and no root is needed. Where apt's lists are missing or too old, lists are
fetched into the cache folder, so that the machine's own stay as they are.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from durable import make_folder, scratch
from terminal import Say, Unreachable

PACKAGES = {
    "en": "asterisk-core-sounds-en-wav",
    "es": "asterisk-prompt-es-co",
    "fr": "asterisk-prompt-fr-armelle",
    "it": "asterisk-core-sounds-it-wav",
    "ru": "asterisk-core-sounds-ru-wav",
}
"""Language (ISO 639-1) to the package that holds its prompts; some 60 MB in all."""

_ADVICE = "; `quickstart DIR` takes recordings of your own instead"


def unpack(languages: Sequence[str], cache: Path, offline: bool, say: Say) -> dict[str, Path]:
    """The folder of each language's prompts, fetched first where it is missing.

    The caller holds the lock on the cache folder.
    """
    folders = {language: cache / PACKAGES[language] for language in languages}
    missing = [PACKAGES[language] for language, folder in folders.items() if not folder.is_dir()]
    if missing and offline:
        raise Unreachable(
            f"{', '.join(missing)} is not in {cache} and --offline forbids fetching: run once with a network"
        )
    if missing:
        with scratch(cache / ".apt") as folder:
            _fetch(missing, folder, cache / "apt", say)
    return folders


def _fetch(packages: list[str], folder: Path, lists: Path, say: Say) -> None:
    for program in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(program) is None:
            raise Unreachable(
                f"the prompts are Debian packages, and {program} is not on this machine{_ADVICE}"
            )
    apt = _Apt(folder, lists)
    unknown = [package for package in packages if not apt.knows(package)]
    if unknown:
        say("fetching package lists (into the cache, not the system's)")
        apt.update()
        unknown = [package for package in packages if not apt.knows(package)]
    if unknown:
        raise Unreachable(
            f"apt knows no package {', '.join(unknown)}: they are Debian's and Ubuntu's{_ADVICE}"
        )
    say(f"fetching {', '.join(packages)}")
    apt.download(packages)
    for package in packages:
        archives = list(folder.glob(f"{package}_*.deb"))
        if len(archives) != 1:
            raise Unreachable(f"apt-get downloaded no {package}")
        unpacked = folder / package
        _run(["dpkg", "-x", str(archives[0]), str(unpacked)], f"unpack {package}")
        unpacked.replace(folder.parent / package)  # there means whole


class _Apt:
    """apt with the machine's lists, or with lists of its own once `update` was needed."""

    def __init__(self, folder: Path, lists: Path) -> None:
        self._folder = folder
        self._lists = lists
        self._options: list[str] = []
        if os.geteuid() == 0:
            # Else apt becomes the user _apt, who may not enter this folder, and warns about it.
            self._options = ["-o", "APT::Sandbox::User=root"]

    def knows(self, package: str) -> bool:
        command = ["apt-cache", *self._options, "show", "--no-all-versions", package]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def update(self) -> None:
        for folder in ("lists/partial", "cache/archives/partial"):
            make_folder(self._lists / folder)
        self._options += ["-o", f"Dir::State::Lists={self._lists / 'lists'}"]
        self._options += ["-o", f"Dir::Cache={self._lists / 'cache'}"]
        _run(["apt-get", *self._options, "-q", "update"], "fetch package lists")

    def download(self, packages: list[str]) -> None:
        _run(
            ["apt-get", *self._options, "-q", "download", *packages],
            f"download {', '.join(packages)}",
            self._folder,
        )


def _run(command: list[str], what: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        detail = lines[0] if lines else f"{command[0]} ended with {done.returncode}"
        raise Unreachable(f"{what}: {detail}{_ADVICE}")
