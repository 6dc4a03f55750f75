"""Whisper's language step with nothing folded, straight from the tensors: an oracle for the tool.

Unlike `model.reference` it shares no reader and no shortcut with the tool: it knows Hugging Face's
names, computes the decoder's self-attention in full, and takes the softmax over the whole
vocabulary before it picks the languages.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .tiny import Arrays

Matrix = NDArray[np.float64]


def logits(arrays: Arrays, mel: NDArray[np.float32], heads: int, start: int) -> Matrix:
    """Logits of the whole vocabulary after the start token, for mel [n_mels, T]."""
    w = {name: array.astype(np.float64) for name, array in arrays.items()}
    x = gelu(conv(mel.astype(np.float64), w["encoder.conv1.weight"], w["encoder.conv1.bias"], 1))
    x = gelu(conv(x, w["encoder.conv2.weight"], w["encoder.conv2.bias"], 2)).T
    x = x + w["encoder.embed_positions.weight"][: len(x)]
    for layer in layers(w, "encoder"):
        y = norm(w, f"{layer}.self_attn_layer_norm", x)
        x = x + attention(w, f"{layer}.self_attn", y, y, heads)
        x = x + mlp(w, layer, x)
    memory = norm(w, "encoder.layer_norm", x)
    x = w["decoder.embed_tokens.weight"][[start]] + w["decoder.embed_positions.weight"][[0]]
    for layer in layers(w, "decoder"):
        y = norm(w, f"{layer}.self_attn_layer_norm", x)
        x = x + attention(w, f"{layer}.self_attn", y, y, heads)
        y = norm(w, f"{layer}.encoder_attn_layer_norm", x)
        x = x + attention(w, f"{layer}.encoder_attn", y, memory, heads)
        x = x + mlp(w, layer, x)
    answer: Matrix = (norm(w, "decoder.layer_norm", x) @ w["decoder.embed_tokens.weight"].T)[0]
    return answer


def layers(w: dict[str, Matrix], part: str) -> list[str]:
    numbers = {int(name.split(".")[2]) for name in w if name.startswith(f"{part}.layers.")}
    return [f"{part}.layers.{number}" for number in sorted(numbers)]


def conv(x: Matrix, weight: Matrix, bias: Matrix, stride: int) -> Matrix:
    """Channels first, as PyTorch's Conv1d with kernel 3 and padding 1."""
    padded = np.pad(x, ((0, 0), (1, 1)))
    steps = range(0, x.shape[1], stride)
    out = np.empty((len(weight), len(steps)))
    for column, step in enumerate(steps):
        out[:, column] = np.tensordot(weight, padded[:, step : step + 3], axes=([1, 2], [0, 1])) + bias
    return out


def attention(w: dict[str, Matrix], name: str, x: Matrix, memory: Matrix, heads: int) -> Matrix:
    query, key, value = (
        source @ w[f"{name}.{p}_proj.weight"].T + w.get(f"{name}.{p}_proj.bias", np.zeros(1))
        for p, source in (("q", x), ("k", memory), ("v", memory))
    )
    size = query.shape[1] // heads
    mixed = np.empty_like(query)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        mixed[:, part] = softmax(query[:, part] @ key[:, part].T * size**-0.5) @ value[:, part]
    out: Matrix = mixed @ w[f"{name}.out_proj.weight"].T + w[f"{name}.out_proj.bias"]
    return out


def mlp(w: dict[str, Matrix], layer: str, x: Matrix) -> Matrix:
    y = norm(w, f"{layer}.final_layer_norm", x)
    inner = gelu(y @ w[f"{layer}.fc1.weight"].T + w[f"{layer}.fc1.bias"])
    return inner @ w[f"{layer}.fc2.weight"].T + w[f"{layer}.fc2.bias"]


def norm(w: dict[str, Matrix], name: str, x: Matrix) -> Matrix:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    y: Matrix = (x - mean) / np.sqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]
    return y


def softmax(x: Matrix) -> Matrix:
    e = np.exp(x - x.max(-1, keepdims=True))
    shares: Matrix = e / e.sum(-1, keepdims=True)
    return shares


def gelu(x: Matrix) -> Matrix:
    y: Matrix = x * 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))
    return y
