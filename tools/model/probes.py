"""Inputs that are the same on every machine: a log-mel picture drawn by formula.

Harmonics of a gliding voice under two moving formants, in syllables: near enough to speech for the
model to have opinions about it, and too odd for it to be sure, so that a wrong graph shows.
"""

import numpy as np

from .weights import Floats

_TURN = 2.0 * np.pi


def mel(variant: int, n_mels: int, frames: int) -> Floats:
    """Log-mel input [n_mels, frames] in the range that Whisper's features have (-1 to 1.5)."""
    time = np.arange(frames, dtype=np.float64)[np.newaxis, :]
    bin_ = np.arange(n_mels, dtype=np.float64)[:, np.newaxis] * (80 / n_mels)
    spacing = 6 + variant + 2.5 * np.sin(_TURN * time / (90 + 17 * variant))
    harmonics = 0.5 + 0.5 * np.cos(_TURN * bin_ / spacing)
    low = 14 + 9 * np.sin(_TURN * time / (37 + 5 * variant))
    high = 42 + 11 * np.sin(_TURN * time / (53 + 3 * variant) + variant)
    formants = np.exp(-(((bin_ - low) / 9) ** 2)) + 0.6 * np.exp(-(((bin_ - high) / 8) ** 2))
    syllables = np.sin(_TURN * time / (22 + 3 * variant)) + 0.35 * np.sin(_TURN * time / 171)
    drawn: Floats = (1.6 * harmonics * formants * np.clip(syllables, 0, 1) - 0.6).astype(np.float32)
    return drawn
