"""Reads Whisper in CTranslate2 format, version 6: what faster-whisper uses.

Layout of `model.bin` (little endian), from CTranslate2's `model_spec.py`:

    u32 version, string spec, u32 revision, u32 count,
    count times: string name, u8 rank, rank times u32 length, u8 type, u32 bytes, data
    u32 aliases, that many times: string alias, string name

A string is a u16 length that includes a closing NUL, and the bytes. Query, key and value of
self-attention stand fused in one matrix, and so do key and value of cross-attention.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import BadWeights, NoWeights
from .tokens import LanguageTokens, read_tokens, refuse_english_only
from .weights import Attention, DecoderLayer, EncoderLayer, LidWeights, Linear, Mlp, Norm, Tensors

VERSION = 6
_TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
_MAX_RANK = 8


def load(folder: Path) -> LidWeights:
    """Reads `model.bin` and the vocabulary of a CTranslate2 folder."""
    tokens = read_tokens(folder)
    path = folder / "model.bin"
    try:
        content = np.memmap(path, dtype=np.uint8, mode="r")
    except FileNotFoundError as error:
        raise NoWeights(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise BadWeights(f"read {path}: {error}") from error
    return assemble(read_variables(content, str(path)), tokens)


def assemble(variables: Mapping[str, NDArray[np.generic]], tokens: LanguageTokens) -> LidWeights:
    """Picks the weights for language identification out of a model's variables."""
    table = Tensors(variables)
    embedding = table.get("decoder/embeddings/weight", None, None)
    refuse_english_only(len(embedding), flagged=False)
    if max(tokens.no_speech, *tokens.languages.values()) >= len(embedding):
        raise BadWeights("the vocabulary names more tokens than the embedding has rows")
    conv1 = table.get("encoder/conv1/weight", None, None, 3)
    width = conv1.shape[0]
    heads = table.arrays.get("encoder/num_heads")
    if heads is None or int(heads) < 1 or width % int(heads):
        raise BadWeights("the weights do not say how many attention heads they have")
    encoder = table.within("encoder/")
    decoder = table.within("decoder/")
    layers = "layer_{}/ffn/linear_0/weight"
    rows = list(tokens.languages.values())
    return LidWeights(
        heads=int(heads),
        conv1=Linear(conv1, encoder.get("conv1/bias", width)),
        conv2=Linear(encoder.get("conv2/weight", width, width, 3), encoder.get("conv2/bias", width)),
        positions=encoder.get("position_encodings/encodings", None, width),
        encoder=tuple(
            _encoder_layer(encoder.within(f"layer_{i}/"), width) for i in range(encoder.count(layers))
        ),
        encoder_norm=_norm(encoder.within("layer_norm/"), width),
        start=embedding[tokens.start] + decoder.get("position_encodings/encodings", None, width)[0],
        decoder=tuple(
            _decoder_layer(decoder.within(f"layer_{i}/"), width) for i in range(decoder.count(layers))
        ),
        decoder_norm=_norm(decoder.within("layer_norm/"), width),
        languages=tuple(tokens.languages),
        language_rows=embedding[rows],
        no_speech_row=embedding[tokens.no_speech],
    )


def read_variables(content: NDArray[np.uint8], path: str) -> dict[str, NDArray[np.generic]]:
    """Takes the content of a `model.bin` apart; aliases are dropped, nothing here needs them."""
    cursor = _Cursor(content, path)
    version = cursor.number("<I")
    if version != VERSION:
        raise BadWeights(f"{path} is not a CTranslate2 model of format {VERSION} (it says {version})")
    spec = cursor.text()
    if spec != "WhisperSpec":
        raise BadWeights(f"{path} holds a {spec!r}, expected a WhisperSpec")
    cursor.number("<I")  # revision of the spec: the variables' names tell all that differs
    return dict(cursor.variable() for _ in range(cursor.number("<I")))


@dataclass
class _Cursor:
    content: NDArray[np.uint8]
    path: str
    offset: int = 0

    def take(self, length: int) -> NDArray[np.uint8]:
        end = self.offset + length
        if end > len(self.content):
            raise BadWeights(f"{self.path} ends early: byte {end} of {len(self.content)} was expected")
        taken = self.content[self.offset : end]
        self.offset = end
        return taken

    def number(self, layout: str) -> int:
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout)).tobytes())
        return int(value)

    def text(self) -> str:
        raw = self.take(self.number("<H")).tobytes()
        try:
            return raw.removesuffix(b"\0").decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadWeights(f"{self.path} holds a name that is not text") from error

    def variable(self) -> tuple[str, NDArray[np.generic]]:
        name = self.text()
        rank = self.number("<B")
        if rank > _MAX_RANK:
            raise BadWeights(f"{self.path}: variable {name!r} has {rank} dimensions")
        shape = tuple(self.number("<I") for _ in range(rank))
        kind = self.number("<B")
        if kind not in _TYPES:
            raise BadWeights(f"{self.path}: variable {name!r} has the unknown type {kind}")
        data = self.take(self.number("<I"))
        dtype = np.dtype(_TYPES[kind])
        if len(data) != dtype.itemsize * math.prod(shape):
            raise BadWeights(f"{self.path}: variable {name!r} has {len(data)} bytes, not those of {shape}")
        return name, data.view(dtype).reshape(shape)


def _norm(table: Tensors, width: int) -> Norm:
    return Norm(table.get("gamma", width), table.get("beta", width))


def _square(table: Tensors, width: int) -> Linear:
    return Linear(table.get("weight", width, width), table.get("bias", width))


def _mlp(table: Tensors, width: int) -> Mlp:
    up = table.get("linear_0/weight", None, width)
    inner = len(up)
    return Mlp(
        norm=_norm(table.within("layer_norm/"), width),
        up=Linear(up, table.get("linear_0/bias", inner)),
        down=Linear(table.get("linear_1/weight", width, inner), table.get("linear_1/bias", width)),
    )


def _split(table: Tensors, width: int, parts: int) -> list[Linear]:
    """Takes a fused matrix apart: one projection after the other along the rows."""
    weight = table.get("weight", parts * width, width)
    bias = table.get("bias", parts * width)
    return [
        Linear(weight[i * width : (i + 1) * width], bias[i * width : (i + 1) * width]) for i in range(parts)
    ]


def _encoder_layer(table: Tensors, width: int) -> EncoderLayer:
    own = table.within("self_attention/")
    query, key, value = _split(own.within("linear_0/"), width, 3)
    out = _square(own.within("linear_1/"), width)
    return EncoderLayer(
        norm=_norm(own.within("layer_norm/"), width),
        attention=Attention(query, Linear(key.weight), value, out),
        mlp=_mlp(table.within("ffn/"), width),
    )


def _decoder_layer(table: Tensors, width: int) -> DecoderLayer:
    own = table.within("self_attention/")
    cross = table.within("attention/")
    _, _, value = _split(own.within("linear_0/"), width, 3)
    key, cross_value = _split(cross.within("linear_1/"), width, 2)
    return DecoderLayer(
        norm=_norm(own.within("layer_norm/"), width),
        value=value,
        out=_square(own.within("linear_1/"), width),
        cross_norm=_norm(cross.within("layer_norm/"), width),
        cross=Attention(
            _square(cross.within("linear_0/"), width),
            Linear(key.weight),
            cross_value,
            _square(cross.within("linear_2/"), width),
        ),
        mlp=_mlp(table.within("ffn/"), width),
    )
