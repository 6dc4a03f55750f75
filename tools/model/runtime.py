"""ONNX Runtime's libraries: the CPU build, or the CUDA build for hosts with a GPU.

The agent loads `libonnxruntime.so` at run time, so one agent serves both kinds of host. The CPU
build is copied out of the wheel that this tool itself runs on. The CUDA build (CUDA 13, cuDNN 9,
which the host must have) is taken out of its own wheel; its libraries look for one another beside
themselves, so all three go into the folder.
"""

import platform
import shutil
from enum import StrEnum
from importlib.metadata import files as distribution_files
from pathlib import Path

from durable import write_whole
from terminal import Unreachable

from .wheels import Cache, Wheel, extract

LIBRARY = "libonnxruntime.so"

ONNXRUNTIME_GPU = Wheel(
    "onnxruntime-gpu",
    "1.31.1",
    "onnxruntime_gpu-1.31.1-cp312-cp312-manylinux_2_28_x86_64.whl",
    "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
    256,
    ("--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"),
)
"""The newest CUDA build on PyPI. Its C libraries are the same for every Python version."""


class Runtime(StrEnum):
    """Which build of ONNX Runtime goes into the folder."""

    CPU = "cpu"
    CUDA = "cuda"


CUDA_MEMBERS = {
    LIBRARY: f"onnxruntime/capi/libonnxruntime.so.{ONNXRUNTIME_GPU.version}",
    "libonnxruntime_providers_shared.so": "onnxruntime/capi/libonnxruntime_providers_shared.so",
    "libonnxruntime_providers_cuda.so": "onnxruntime/capi/libonnxruntime_providers_cuda.so",
}


def libraries(runtime: Runtime) -> tuple[str, ...]:
    """The files that the folder holds for this runtime."""
    match runtime:
        case Runtime.CPU:
            return (LIBRARY,)
        case Runtime.CUDA:
            return tuple(CUDA_MEMBERS)


def wheels(runtime: Runtime) -> tuple[Wheel, ...]:
    """The pinned wheels that the libraries are taken from, besides those that are installed."""
    return (ONNXRUNTIME_GPU,) if runtime is Runtime.CUDA else ()


def place(runtime: Runtime, name: str, folder: Path, cache: Cache) -> None:
    """Puts one of the libraries into the folder, whole or not at all."""
    match runtime:
        case Runtime.CPU:
            _copy_installed(folder / name)
        case Runtime.CUDA:
            if platform.machine() != "x86_64":
                raise Unreachable(f"PyPI has no CUDA build of ONNX Runtime for {platform.machine()}")
            extract(cache.get(ONNXRUNTIME_GPU), CUDA_MEMBERS[name], folder / name)


def _copy_installed(target: Path) -> None:
    """Copies the library out of the installed wheel, whose hash pip has verified."""
    found = [
        Path(str(file.locate()))
        for file in distribution_files("onnxruntime") or ()
        if file.name.startswith(f"{LIBRARY}.")
    ]
    if len(found) != 1:
        raise Unreachable(f"the onnxruntime wheel for this machine holds no {LIBRARY}")

    def copy(part: Path) -> None:
        shutil.copyfile(found[0], part)

    write_whole(target, copy)
