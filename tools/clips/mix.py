"""Makes the samples of a clip from its recipe."""

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np

from . import music
from .plan import OPENING_SECONDS, Format, Opening, Recipe
from .prompts import RATE, Prompt, Samples

_SHORTEST, _LONGEST = 10.0, 30.0
"""Seconds of a plain clip."""
_AFTER_OPENING = 25.0
"""Seconds of the true language that follow an opening, at least."""
_STEREO_MOST, _STEREO_LEAST = 24.0, 6.0
"""Seconds of speech on the two channels of a stereo call."""
_PAUSE = (0.2, 0.6)
"""Seconds between prompts."""
_LINE_NOISE = 3
"""Largest amplitude of a quiet line, of 32,767."""


def samples(recipe: Recipe, prompts: Mapping[str, Sequence[Prompt]], seed: int) -> Samples:
    """The clip, [n], or [n, 2] for a stereo call. The same recipe and seed give the same samples."""
    rng = random.Random(f"{seed}/{recipe.name}")  # noqa: S311 (which prompts is no secret)
    own = prompts[recipe.language]
    if recipe.format is Format.STEREO:
        return _stereo(own, prompts[recipe.other], rng)
    match recipe.opening:
        case Opening.NONE:
            return _speech(own, rng, rng.uniform(_SHORTEST, _LONGEST - 4), _LONGEST)
        case Opening.MUSIC:
            opening = music.play(OPENING_SECONDS[Opening.MUSIC], rng)
        case Opening.SILENCE:
            opening = _quiet(OPENING_SECONDS[Opening.SILENCE], rng)
        case Opening.ANNOUNCEMENT:
            seconds = OPENING_SECONDS[Opening.ANNOUNCEMENT]
            spoken = _speech(prompts[recipe.other], rng, seconds)
            opening = spoken[: round(seconds * RATE)]
    return np.concatenate([opening, _pause(rng), _speech(own, rng, _AFTER_OPENING)])


def _speech(prompts: Sequence[Prompt], rng: random.Random, least: float, most: float = math.inf) -> Samples:
    """Prompts in a random order, until there are `least` seconds; none that would exceed `most`."""
    parts: list[Samples] = []
    total = 0
    for prompt in rng.sample(prompts, len(prompts)):
        pause = _pause(rng)
        if total + len(prompt.samples) + len(pause) > most * RATE:
            continue
        parts += [prompt.samples, pause]
        total += len(prompt.samples) + len(pause)
        if total >= least * RATE:
            break
    return np.concatenate(parts)


def _stereo(most: Sequence[Prompt], least: Sequence[Prompt], rng: random.Random) -> Samples:
    """Two people who take turns, each on a channel; the second says little."""
    left = _speech(most, rng, _STEREO_MOST)
    right = _speech(least, rng, _STEREO_LEAST)
    turn = len(left) // 2
    length = len(left) + len(right)
    call = np.stack([_quiet(length / RATE, rng), _quiet(length / RATE, rng)], axis=1)
    call[:turn, 0] = left[:turn]
    call[turn : turn + len(right), 1] = right
    call[turn + len(right) :, 0] = left[turn:]
    return call


def _pause(rng: random.Random) -> Samples:
    return _quiet(rng.uniform(*_PAUSE), rng)


def _quiet(seconds: float, rng: random.Random) -> Samples:
    """A line on which nobody speaks: no more than the noise of the converter."""
    noise = np.random.default_rng(rng.getrandbits(64))
    return noise.integers(-_LINE_NOISE, _LINE_NOISE, round(seconds * RATE), np.int16, endpoint=True)
