"""Reads Whisper in Hugging Face format: `config.json`, tokenizer files and safetensors.

A safetensors file is a u64 length (little endian), that many bytes of JSON (`name: {dtype, shape,
data_offsets}`), and the data; see https://github.com/huggingface/safetensors. Large models are cut
into several files, listed in `model.safetensors.index.json`.
"""

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadWeights, NoWeights
from .tokens import read_json, read_tokens, refuse_english_only
from .weights import Attention, DecoderLayer, EncoderLayer, LidWeights, Linear, Mlp, Norm, Tensors

_TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_MAX_HEADER = 16 << 20
"""Bytes; whisper-large-v3 has 0.2 MB."""


def load(folder: Path) -> LidWeights:
    """Reads config, tokens and tensors of a Hugging Face folder."""
    tokens = read_tokens(folder)
    config = read_json(folder / "config.json")
    generation = folder / "generation_config.json"
    multilingual = read_json(generation).get("is_multilingual", True) if generation.exists() else True
    table = Tensors(read_tensors(folder))
    table = table.within("model.") if table.has("model.encoder.conv1.weight") else table
    embedding = table.get("decoder.embed_tokens.weight", None, None)
    refuse_english_only(len(embedding), flagged=not multilingual)
    if max(tokens.no_speech, *tokens.languages.values()) >= len(embedding):
        raise BadWeights("the vocabulary names more tokens than the embedding has rows")
    conv1 = table.get("encoder.conv1.weight", None, None, 3)
    width = conv1.shape[0]
    encoder = table.within("encoder.")
    decoder = table.within("decoder.")
    rows = list(tokens.languages.values())
    return LidWeights(
        heads=_heads(config, width),
        conv1=Linear(conv1, encoder.get("conv1.bias", width)),
        conv2=Linear(encoder.get("conv2.weight", width, width, 3), encoder.get("conv2.bias", width)),
        positions=encoder.get("embed_positions.weight", None, width),
        encoder=tuple(
            _encoder_layer(encoder.within(f"layers.{i}."), width)
            for i in range(encoder.count("layers.{}.fc1.weight"))
        ),
        encoder_norm=_norm(encoder.within("layer_norm."), width),
        start=embedding[tokens.start] + decoder.get("embed_positions.weight", None, width)[0],
        decoder=tuple(
            _decoder_layer(decoder.within(f"layers.{i}."), width)
            for i in range(decoder.count("layers.{}.fc1.weight"))
        ),
        decoder_norm=_norm(decoder.within("layer_norm."), width),
        languages=tuple(tokens.languages),
        language_rows=embedding[rows],
        no_speech_row=embedding[tokens.no_speech],
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, in the order in which they are read."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return [folder / "model.safetensors"]
    try:
        names = sorted({str(name) for name in read_json(index)["weight_map"].values()})
    except (KeyError, TypeError, AttributeError) as error:
        raise BadWeights(f"{index} is not an index of safetensors files") from error
    if any(Path(name).name != name for name in names):
        raise BadWeights(f"{index} names files outside its folder")
    return [folder / name for name in names]


def read_tensors(folder: Path) -> dict[str, NDArray[np.generic]]:
    """Reads every tensor of the folder's safetensors files."""
    tensors: dict[str, NDArray[np.generic]] = {}
    for path in weight_files(folder):
        tensors.update(read_safetensors(path))
    return tensors


def read_safetensors(path: Path) -> dict[str, NDArray[np.generic]]:
    """Reads the floating point tensors of one safetensors file; others are left out."""
    try:
        content = np.memmap(path, dtype=np.uint8, mode="r")
    except FileNotFoundError as error:
        raise NoWeights(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise BadWeights(f"read {path}: {error}") from error
    header, data = _split_header(content, path)
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            kind, shape, (begin, end) = str(entry["dtype"]), tuple(entry["shape"]), entry["data_offsets"]
            if kind not in _TYPES:
                continue
            dtype = np.dtype(_TYPES[kind])
            fits = 0 <= begin <= end <= len(data) and min(shape, default=0) >= 0
            fits = fits and end - begin == dtype.itemsize * math.prod(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise BadWeights(f"{path}: the entry of tensor {name!r} is malformed") from error
        if not fits:
            raise BadWeights(f"{path}: tensor {name!r} does not fit the file: it was cut short or damaged")
        array = data[begin:end].view(dtype).reshape(shape)
        tensors[name] = _widened(array) if kind == "BF16" else array
    return tensors


def _split_header(content: NDArray[np.uint8], path: Path) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    begin = struct.calcsize("<Q")
    if len(content) < begin:
        raise BadWeights(f"{path} is too short for a safetensors file")
    (length,) = struct.unpack("<Q", content[:begin].tobytes())
    if length > min(_MAX_HEADER, len(content) - begin):
        raise BadWeights(f"{path} is not a safetensors file, or was cut short")
    try:
        header = json.loads(content[begin : begin + length].tobytes())
    except ValueError as error:
        raise BadWeights(f"{path}: the header is not JSON") from error
    if not isinstance(header, dict):
        raise BadWeights(f"{path}: the header is not a JSON object")
    return header, content[begin + length :]


def _widened(bfloat16: NDArray[np.generic]) -> NDArray[np.float32]:
    """A bfloat16 is the upper half of a float32."""
    return (bfloat16.astype(np.uint32) << 16).view(np.float32)


def _heads(config: dict[str, Any], width: int) -> int:
    try:
        heads = {int(config["encoder_attention_heads"]), int(config["decoder_attention_heads"])}
    except (KeyError, TypeError, ValueError) as error:
        raise BadWeights("config.json is not that of a Whisper model") from error
    if len(heads) != 1 or min(heads) < 1 or width % min(heads):
        raise BadWeights(f"config.json has {sorted(heads)} attention heads for a width of {width}")
    return heads.pop()


def _norm(table: Tensors, width: int) -> Norm:
    return Norm(table.get("weight", width), table.get("bias", width))


def _square(table: Tensors, width: int) -> Linear:
    return Linear(table.get("weight", width, width), table.get("bias", width))


def _mlp(table: Tensors, width: int) -> Mlp:
    up = table.get("fc1.weight", None, width)
    inner = len(up)
    return Mlp(
        norm=_norm(table.within("final_layer_norm."), width),
        up=Linear(up, table.get("fc1.bias", inner)),
        down=Linear(table.get("fc2.weight", width, inner), table.get("fc2.bias", width)),
    )


def _attention(table: Tensors, width: int) -> Attention:
    return Attention(
        query=_square(table.within("q_proj."), width),
        key=Linear(table.get("k_proj.weight", width, width)),
        value=_square(table.within("v_proj."), width),
        out=_square(table.within("out_proj."), width),
    )


def _encoder_layer(table: Tensors, width: int) -> EncoderLayer:
    return EncoderLayer(
        norm=_norm(table.within("self_attn_layer_norm."), width),
        attention=_attention(table.within("self_attn."), width),
        mlp=_mlp(table, width),
    )


def _decoder_layer(table: Tensors, width: int) -> DecoderLayer:
    return DecoderLayer(
        norm=_norm(table.within("self_attn_layer_norm."), width),
        value=_square(table.within("self_attn.v_proj."), width),
        out=_square(table.within("self_attn.out_proj."), width),
        cross_norm=_norm(table.within("encoder_attn_layer_norm."), width),
        cross=_attention(table.within("encoder_attn."), width),
        mlp=_mlp(table, width),
    )
