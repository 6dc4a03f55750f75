"""Writes samples in the formats that recorders write, through libsndfile."""

from pathlib import Path

import soundfile

from .plan import Format
from .prompts import RATE, Samples

_CODECS = {
    Format.WAV: ("WAV", "PCM_16"),
    Format.STEREO: ("WAV", "PCM_16"),
    Format.MULAW: ("WAV", "ULAW"),
    Format.ALAW: ("WAV", "ALAW"),
    Format.ADPCM: ("WAV", "IMA_ADPCM"),
    Format.GSM: ("WAV", "GSM610"),
    Format.MP3: ("MP3", "MPEG_LAYER_III"),
    Format.FLAC: ("FLAC", "PCM_16"),
    Format.VORBIS: ("OGG", "VORBIS"),
}


def write(path: Path, samples: Samples, format_: Format) -> None:
    """Writes one file; the format decides its content, not the name."""
    container, codec = _CODECS[format_]
    soundfile.write(path, samples, RATE, subtype=codec, format=container)
