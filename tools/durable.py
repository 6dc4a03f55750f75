"""Files that either exist whole or do not exist: hashing, and writing by rename."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from terminal import CannotWrite


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, fill: Callable[[Path], None]) -> None:
    """Lets `fill` write a file beside `path`, flushes it and renames it into place.

    A run that is cut off leaves at most a `.NAME.part`, which nothing reads and the next run
    overwrites.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        fill(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise CannotWrite(f"write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder and its parents; one that exists is fine."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"make folder {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """An empty folder for the time being; what a run that was killed left in it is removed first.

    One name serves all runs, so the caller must hold the lock on the folder around it.
    """
    shutil.rmtree(path, ignore_errors=True)
    make_folder(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Holds the folder for this process; says so through `on_wait` when another run has it."""
    make_folder(folder)
    try:
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise CannotWrite(f"lock {folder}: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
