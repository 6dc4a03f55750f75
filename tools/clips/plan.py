"""Which clips there are and what each begins with: pure, from the options alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Opening(StrEnum):
    """What a caller hears before the conversation, as measured on real calls."""

    NONE = ""
    MUSIC = "music"
    SILENCE = "silence"
    ANNOUNCEMENT = "announcement"


class Format(StrEnum):
    """Containers and codecs that recorders write."""

    WAV = "wav"
    MULAW = "mulaw"
    ALAW = "alaw"
    ADPCM = "adpcm"
    GSM = "gsm"
    MP3 = "mp3"
    FLAC = "flac"
    VORBIS = "vorbis"
    STEREO = "stereo"


OPENING_SECONDS = {Opening.MUSIC: 35.0, Opening.SILENCE: 40.0, Opening.ANNOUNCEMENT: 9.0}

_SUFFIX = {Format.MP3: "mp3", Format.FLAC: "flac", Format.VORBIS: "ogg"}


@dataclass(frozen=True)
class Recipe:
    """One clip: its name begins with its true language."""

    name: str
    language: str
    other: str
    """The language of the announcement, or of the quieter half of a stereo call."""
    opening: Opening = Opening.NONE
    format: Format = Format.WAV


@dataclass(frozen=True)
class Wish:
    """The options that decide what is made."""

    languages: tuple[str, ...]
    count: int
    seed: int
    hard: bool
    variants: bool


def recipes(wish: Wish) -> list[Recipe]:
    """All clips of a wish, ordered by name. More of them never changes those there were before."""
    planned = [
        Recipe(f"{language}_{number:02}.wav", language, _next(wish.languages, language))
        for language in wish.languages
        for number in range(1, wish.count + 1)
    ]
    if wish.hard:
        planned += [
            Recipe(f"{language}_{opening}_01.wav", language, _next(wish.languages, language), opening)
            for language in wish.languages
            for opening in OPENING_SECONDS
        ]
    if wish.variants:
        planned += [
            Recipe(
                f"{language}_{format_}.{_SUFFIX.get(format_, 'wav')}",
                language,
                _next(wish.languages, language),
                format=format_,
            )
            for language in wish.languages
            for format_ in Format
            if format_ is not Format.WAV
        ]
    return sorted(planned, key=lambda recipe: recipe.name)


def _next(languages: Sequence[str], language: str) -> str:
    return languages[(languages.index(language) + 1) % len(languages)]
