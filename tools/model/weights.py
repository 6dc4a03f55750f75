"""The part of a Whisper model that language identification needs, whatever file it came from.

After `<|startoftranscript|>` alone the decoder's self-attention has one key, so its softmax is 1
and it reduces to `out(value(x))`: query and key of that layer are not kept. Of the token embedding
only the rows of the start token, the languages and "no speech" remain.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import BadWeights

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """`y = x @ weight.T + bias`; a convolution when the weight has three dimensions."""

    weight: Floats
    bias: Floats | None = None


@dataclass(frozen=True)
class Norm:
    """Layer norm over the last axis, epsilon 1e-5."""

    gain: Floats
    bias: Floats


@dataclass(frozen=True)
class Attention:
    """Multi-head attention; the query is not yet scaled."""

    query: Linear
    key: Linear
    value: Linear
    out: Linear


@dataclass(frozen=True)
class Mlp:
    """Layer norm, then `down(gelu(up(x)))`."""

    norm: Norm
    up: Linear
    down: Linear


@dataclass(frozen=True)
class EncoderLayer:
    """Self-attention and MLP, each behind its norm and added to its input."""

    norm: Norm
    attention: Attention
    mlp: Mlp


@dataclass(frozen=True)
class DecoderLayer:
    """One decoder layer for the first token: folded self-attention, cross-attention, MLP."""

    norm: Norm
    value: Linear
    out: Linear
    cross_norm: Norm
    cross: Attention
    mlp: Mlp


@dataclass(frozen=True)
class LidWeights:
    """Everything that goes into the graph."""

    heads: int
    conv1: Linear
    conv2: Linear
    positions: Floats
    encoder: tuple[EncoderLayer, ...]
    encoder_norm: Norm
    start: Floats
    """Embedding of the start token plus the first decoder position, [d_model]."""
    decoder: tuple[DecoderLayer, ...]
    decoder_norm: Norm
    languages: tuple[str, ...]
    """Whisper's codes in the order of `language_rows`."""
    language_rows: Floats
    no_speech_row: Floats

    @property
    def d_model(self) -> int:
        """Width of the model."""
        return int(self.conv1.weight.shape[0])

    @property
    def n_mels(self) -> int:
        """Mel bins of the input: 80, or 128 for large-v3."""
        return int(self.conv1.weight.shape[1])

    def parameters(self) -> int:
        """How many numbers the graph will hold."""
        return sum(array.size for array in _arrays(self))

    def fingerprint(self) -> str:
        """Tells which trained model this is, the same for every file format it is kept in.

        Rounded to half precision first, since some formats store no more.
        """
        digest = hashlib.sha256()
        for array in (self.encoder_norm.gain, self.decoder_norm.gain, self.language_rows):
            digest.update(np.ascontiguousarray(array, dtype="<f2").tobytes())
        return digest.hexdigest()


def _arrays(part: object) -> Iterator[Floats]:
    """Every array within a piece of the weights."""
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from _arrays(each)
    elif is_dataclass(part):
        for member in fields(part):
            yield from _arrays(getattr(part, member.name))


@dataclass(frozen=True)
class Tensors:
    """Named arrays as a file has them; hands them out with their shape checked, in f32."""

    arrays: Mapping[str, NDArray[np.generic]]
    prefix: str = field(default="")

    def within(self, name: str) -> "Tensors":
        """The tensors whose names begin with `name`."""
        return Tensors(self.arrays, self.prefix + name)

    def has(self, name: str) -> bool:
        """Whether there is a tensor of this name."""
        return self.prefix + name in self.arrays

    def get(self, name: str, *shape: int | None) -> Floats:
        """The tensor in f32; None in `shape` accepts any length there."""
        full = self.prefix + name
        array = self.arrays.get(full)
        if array is None:
            raise BadWeights(f"the weights lack the tensor {full}")
        if array.dtype not in (np.dtype("<f4"), np.dtype("<f2")):
            raise BadWeights(
                f"tensor {full} holds {array.dtype}: weights in float32, float16 or bfloat16 are needed"
            )
        fits = len(array.shape) == len(shape) and all(
            want is None or want == has for want, has in zip(shape, array.shape, strict=True)
        )
        if not fits:
            wanted = [length if length is not None else "any" for length in shape]
            raise BadWeights(f"tensor {full} has shape {list(array.shape)}, expected {wanted}")
        floats: Floats = array.astype(np.float32)
        if not np.isfinite(floats).all():
            raise BadWeights(f"tensor {full} holds values that are not finite")
        return floats

    def count(self, template: str) -> int:
        """How many of the names `template.format(0)`, `template.format(1)` and so on there are."""
        number = 0
        while self.has(template.format(number)):
            number += 1
        if number == 0:
            raise BadWeights(f"the weights lack the tensor {self.prefix}{template.format(0)}")
        return number
