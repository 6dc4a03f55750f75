"""Hold music by formula: four chords, a bass and an arpeggio, with the overtones of plucked strings.

It has pitch, rhythm and loudness like the music that calls begin with, and nothing of a voice.
"""

import math
import random

import numpy as np
from numpy.typing import NDArray

from .prompts import RATE, Samples

_PROGRESSIONS = (
    ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)),  # I vi IV V
    ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12)),  # I V vi IV
    ((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17)),  # i VI III VII
)
"""Chords in semitones above the key."""
_OVERTONES = 6
_NOTES_A_CHORD = 8
_LOUDNESS = 0.2
"""Of full scale, at the peak."""

_Wave = NDArray[np.float64]


def play(seconds: float, rng: random.Random) -> Samples:
    """Music of the given length; key, tempo and chords come from the generator."""
    key = 130.81 * 2 ** (rng.randrange(12) / 12)  # Hz: C3 and the eleven keys above
    note = 60 / rng.uniform(84, 120) / 2  # seconds: quavers
    chords = rng.choice(_PROGRESSIONS)
    length = round(seconds * RATE)
    ring = round(4 * note * RATE)
    mixed = np.zeros(length + ring)
    for number in range(int(seconds / note) + 1):
        chord = chords[number // _NOTES_A_CHORD % len(chords)]
        step = number % _NOTES_A_CHORD
        begin = round(number * note * RATE)
        if begin >= length:
            break
        arpeggio = (*chord, chord[0] + 12)
        up_down = (0, 1, 2, 3, 2, 1, 2, 1)[step]
        _add(mixed, begin, _pluck(_pitch(key, arpeggio[up_down] + 12), ring))
        if step == 0:
            for semitones in (chord[0] - 12, *chord):
                _add(mixed, begin, 0.6 * _pluck(_pitch(key, semitones), ring))
    music = mixed[:length] / np.abs(mixed).max() * _LOUDNESS
    faded: Samples = np.round(music * _fade(length) * np.iinfo(np.int16).max).astype(np.int16)
    return faded


def _pitch(key: float, semitones: int) -> float:
    return key * math.pow(2.0, semitones / 12)


def _pluck(frequency: float, length: int) -> _Wave:
    """A string: overtones that fall off, the higher the faster."""
    time = np.arange(length) / RATE
    wave: _Wave = np.zeros(length)
    for overtone in range(1, _OVERTONES + 1):
        if frequency * overtone < RATE / 2:
            decay = np.exp(-time * (1.5 + 0.9 * overtone))
            wave += np.sin(2 * np.pi * frequency * overtone * time) * decay / overtone**1.3
    wave *= np.minimum(time / 0.005, 1.0)  # 5 ms of attack, else each note begins with a click
    return wave


def _add(mixed: _Wave, begin: int, wave: _Wave) -> None:
    end = min(begin + len(wave), len(mixed))
    mixed[begin:end] += wave[: end - begin]


def _fade(length: int) -> _Wave:
    """Half a second out, as a player that hands over to a person."""
    fade: _Wave = np.minimum(np.arange(length, 0, -1) / (0.5 * RATE), 1.0)
    return fade
