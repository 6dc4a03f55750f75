"""Reads the prompts of a package that are speech, long enough to tell a language by.

The packages hold 8 kHz mono: 16-bit WAV, or GSM 06.10 frames without a container, which libsndfile
(in the wheel of soundfile) decodes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from terminal import ToolError

RATE = 8_000
"""Samples a second of everything here."""

Samples = NDArray[np.int16]

SHORTEST = 1.5
LONGEST = 12.0
"""Seconds. Below are single words, above the prompts that alone would fill a clip."""

_QUIET = 300
"""Amplitude that counts as silence: -41 dB of full scale."""

_SPELLING = {"digits", "letters", "phonetic", "silence"}
"""Folders with numbers, names of letters and pauses: no sentences."""
_NOISES = ("beep", "tone", "monkeys")


class BadPrompts(ToolError):
    """A package does not hold what it should."""

    status = 65


@dataclass(frozen=True)
class Prompt:
    """One spoken sentence, without the silence around it."""

    name: str
    samples: Samples

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / RATE


def read(package: Path) -> list[Prompt]:
    """The usable prompts of an unpacked package, ordered by name."""
    sounds = package / "usr" / "share" / "asterisk" / "sounds"
    prompts = []
    for path in sorted(sounds.rglob("*")):
        if path.suffix not in (".wav", ".gsm") or path.is_symlink():
            continue
        if _SPELLING & set(path.parts) or any(noise in path.stem for noise in _NOISES):
            continue
        prompt = Prompt(path.stem, _trimmed(_decoded(path)))
        if SHORTEST <= prompt.seconds <= LONGEST:
            prompts.append(prompt)
    if not prompts:
        raise BadPrompts(f"{package} holds no prompts: remove that folder and run again")
    return prompts


def _decoded(path: Path) -> Samples:
    layout = {"format": "RAW", "subtype": "GSM610", "samplerate": RATE, "channels": 1}
    try:
        samples, rate = soundfile.read(path, dtype="int16", **(layout if path.suffix == ".gsm" else {}))
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadPrompts(f"read {path}: {error}") from error
    if rate != RATE or samples.ndim != 1:
        raise BadPrompts(f"{path} is not {RATE} Hz mono")
    read_samples: Samples = samples
    return read_samples


def _trimmed(samples: Samples) -> Samples:
    """Without the quiet before and after, which would make the clips' pauses uneven."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]
