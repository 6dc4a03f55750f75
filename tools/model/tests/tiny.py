"""A Whisper of 30,000 random numbers, written in both formats that the tool reads."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEADS, LAYERS, INNER, MELS, POSITIONS = 32, 2, 2, 64, 16, 760
VOCABULARY = ["a", "b", "<|startoftranscript|>", "<|en|>", "<|hi|>", "<|yue|>", "<|translate|>"]
VOCABULARY += ["<|transcribe|>", "<|nospeech|>", "c"]

Arrays = dict[str, NDArray[np.float32]]
Put = Callable[..., None]


def tensors(seed: int = 7) -> Arrays:
    """All tensors of the model under Hugging Face's names, without the leading `model.`."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int, mean: float = 0.0) -> NDArray[np.float32]:
        drawn = rng.normal(mean, 0.3, shape)
        return drawn.astype(np.float16).astype(np.float32)  # what both formats can hold

    made: Arrays = {
        "encoder.conv1.weight": draw(WIDTH, MELS, 3),
        "encoder.conv1.bias": draw(WIDTH),
        "encoder.conv2.weight": draw(WIDTH, WIDTH, 3),
        "encoder.conv2.bias": draw(WIDTH),
        "encoder.embed_positions.weight": draw(POSITIONS, WIDTH),
        "decoder.embed_positions.weight": draw(12, WIDTH),
        "decoder.embed_tokens.weight": draw(len(VOCABULARY), WIDTH),
    }
    for part, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        made[f"{part}.layer_norm.weight"] = draw(WIDTH, mean=1.0)
        made[f"{part}.layer_norm.bias"] = draw(WIDTH)
        for number in range(LAYERS):
            layer = f"{part}.layers.{number}"
            for attention in attentions:
                for projection in ("q", "k", "v", "out"):
                    made[f"{layer}.{attention}.{projection}_proj.weight"] = draw(WIDTH, WIDTH)
                    if projection != "k":
                        made[f"{layer}.{attention}.{projection}_proj.bias"] = draw(WIDTH)
            for norm in (*(f"{attention}_layer_norm" for attention in attentions), "final_layer_norm"):
                made[f"{layer}.{norm}.weight"] = draw(WIDTH, mean=1.0)
                made[f"{layer}.{norm}.bias"] = draw(WIDTH)
            made |= {
                f"{layer}.fc1.weight": draw(INNER, WIDTH),
                f"{layer}.fc1.bias": draw(INNER),
                f"{layer}.fc2.weight": draw(WIDTH, INNER),
                f"{layer}.fc2.bias": draw(WIDTH),
            }
    return made


def config(width: int = WIDTH, heads: int = HEADS) -> dict[str, int]:
    return {"d_model": width, "encoder_attention_heads": heads, "decoder_attention_heads": heads}


def write_huggingface(folder: Path, arrays: Arrays, heads: int = HEADS) -> Path:
    """A folder as `save_pretrained` leaves it, except for the vocabulary, which the caller may add."""
    folder.mkdir(parents=True, exist_ok=True)
    width = arrays["encoder.conv1.bias"].size
    (folder / "config.json").write_text(json.dumps(config(width, heads)))
    (folder / "added_tokens.json").write_text(json.dumps({text: i for i, text in enumerate(VOCABULARY)}))
    named = {f"model.{name}": array for name, array in arrays.items()}
    (folder / "model.safetensors").write_bytes(safetensors(named))
    return folder


def safetensors(arrays: Arrays) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in arrays.values())


def write_ct2(folder: Path, arrays: Arrays, heads: int = HEADS) -> Path:
    """The folder that CTranslate2's converter makes of the same model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocabulary.txt").write_text("\n".join(VOCABULARY))
    (folder / "config.json").write_text("{}")
    (folder / "model.bin").write_bytes(model_bin(ct2_variables(arrays, heads)))
    return folder


def ct2_variables(arrays: Arrays, heads: int = HEADS) -> dict[str, NDArray[np.generic]]:
    """The same tensors under CTranslate2's names, fused as it fuses them, in half precision."""
    renamed: dict[str, NDArray[np.generic]] = {}

    def put(name: str, *sources: NDArray[np.float32]) -> None:
        renamed[name] = np.concatenate(sources).astype("<f2")

    for part in ("encoder", "decoder"):
        renamed[f"{part}/num_heads"] = np.array(heads, dtype="<i2")
        put(f"{part}/position_encodings/encodings", arrays[f"{part}.embed_positions.weight"])
        _put_norm(put, arrays, f"{part}/layer_norm", f"{part}.layer_norm")
        number = 0
        while f"{part}.layers.{number}.fc1.weight" in arrays:
            _put_layer(put, arrays, f"{part}/layer_{number}", f"{part}.layers.{number}", part == "decoder")
            number += 1
    for name in ("conv1", "conv2"):
        put(f"encoder/{name}/weight", arrays[f"encoder.{name}.weight"])
        put(f"encoder/{name}/bias", arrays[f"encoder.{name}.bias"])
    put("decoder/embeddings/weight", arrays["decoder.embed_tokens.weight"])
    return renamed


def _put_norm(put: Put, arrays: Arrays, target: str, source: str) -> None:
    put(f"{target}/gamma", arrays[f"{source}.weight"])
    put(f"{target}/beta", arrays[f"{source}.bias"])


def _put_layer(put: Put, arrays: Arrays, target: str, source: str, cross: bool) -> None:
    def linear(name: str, attention: str, projections: str) -> None:
        full = [f"{source}.{attention}.{p}_proj" for p in projections.split()]
        put(f"{target}/{name}/weight", *(arrays[f"{p}.weight"] for p in full))
        zero = np.zeros(arrays[f"{full[0]}.weight"].shape[0], np.float32)
        put(f"{target}/{name}/bias", *(arrays.get(f"{p}.bias", zero) for p in full))

    linear("self_attention/linear_0", "self_attn", "q k v")
    linear("self_attention/linear_1", "self_attn", "out")
    _put_norm(put, arrays, f"{target}/self_attention/layer_norm", f"{source}.self_attn_layer_norm")
    if cross:
        linear("attention/linear_0", "encoder_attn", "q")
        linear("attention/linear_1", "encoder_attn", "k v")
        linear("attention/linear_2", "encoder_attn", "out")
        _put_norm(put, arrays, f"{target}/attention/layer_norm", f"{source}.encoder_attn_layer_norm")
    for number, name in enumerate(("fc1", "fc2")):
        put(f"{target}/ffn/linear_{number}/weight", arrays[f"{source}.{name}.weight"])
        put(f"{target}/ffn/linear_{number}/bias", arrays[f"{source}.{name}.bias"])
    _put_norm(put, arrays, f"{target}/ffn/layer_norm", f"{source}.final_layer_norm")


def model_bin(
    variables: dict[str, NDArray[np.generic]], version: int = 6, spec: str = "WhisperSpec"
) -> bytes:
    kinds = {"<f4": 0, "|i1": 1, "<i2": 2, "<i4": 3, "<f2": 4}

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text.encode()) + 1) + text.encode() + b"\0"

    out = struct.pack("<I", version) + string(spec) + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        out += string(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        out += struct.pack("<BI", kinds[array.dtype.str], array.nbytes) + array.tobytes()
    return (
        out + struct.pack("<I", 1) + string("decoder/projection/weight") + string("decoder/embeddings/weight")
    )
