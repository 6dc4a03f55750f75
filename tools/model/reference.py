"""The same step in plain numpy: the measure for the graph, written without a look at it.

Follows OpenAI's `whisper/model.py` token by token and head by head. It is slow and meant for inputs
of a few seconds.
"""

import math

import numpy as np

from .weights import Attention, Floats, LidWeights, Linear, Mlp, Norm

_erf = np.frompyfunc(math.erf, 1, 1)


def answer(weights: LidWeights, mel: Floats) -> tuple[Floats, float]:
    """Probabilities of the languages and of no speech, for one input [n_mels, T]."""
    memory = _encode(weights, mel)
    token = _decode(weights, memory)
    languages = weights.language_rows @ token
    silence = float(weights.no_speech_row @ token)
    probabilities = _softmax(languages)
    no_speech = _softmax(np.append(languages, np.float32(silence)))[-1]
    return probabilities, float(no_speech)


def _encode(weights: LidWeights, mel: Floats) -> Floats:
    x = _gelu(_convolve(mel.T, weights.conv1, stride=1))
    x = _gelu(_convolve(x, weights.conv2, stride=2))
    x = x + weights.positions[: len(x)]
    for layer in weights.encoder:
        y = _normalise(x, layer.norm)
        x = x + _attend(y, y, layer.attention, weights.heads)
        x = x + _mlp(x, layer.mlp)
    return _normalise(x, weights.encoder_norm)


def _decode(weights: LidWeights, memory: Floats) -> Floats:
    x: Floats = weights.start[np.newaxis, :]
    for layer in weights.decoder:
        # One token sees itself alone: its attention weight is 1 whatever query and key say.
        x = x + _project(_project(_normalise(x, layer.norm), layer.value), layer.out)
        x = x + _attend(_normalise(x, layer.cross_norm), memory, layer.cross, weights.heads)
        x = x + _mlp(x, layer.mlp)
    token: Floats = _normalise(x, weights.decoder_norm)[0]
    return token


def _convolve(frames: Floats, layer: Linear, stride: int) -> Floats:
    """Kernel 3, padding 1, over frames [T, channels]."""
    padded = np.pad(frames, ((1, 1), (0, 0)))
    starts = range(0, len(frames), stride)
    patches = np.stack([padded[start : start + 3].T.ravel() for start in starts])
    y: Floats = patches @ layer.weight.reshape(len(layer.weight), -1).T
    return y if layer.bias is None else y + layer.bias


def _attend(x: Floats, memory: Floats, attention: Attention, heads: int) -> Floats:
    query, key, value = (
        np.split(_project(source, layer), heads, axis=1)
        for source, layer in (
            (x, attention.query),
            (memory, attention.key),
            (memory, attention.value),
        )
    )
    size = query[0].shape[1]
    mixed = [_softmax(q @ k.T / math.sqrt(size)) @ v for q, k, v in zip(query, key, value, strict=True)]
    return _project(np.concatenate(mixed, axis=1), attention.out)


def _mlp(x: Floats, mlp: Mlp) -> Floats:
    return _project(_gelu(_project(_normalise(x, mlp.norm), mlp.up)), mlp.down)


def _project(x: Floats, layer: Linear) -> Floats:
    y: Floats = x @ layer.weight.T
    return y if layer.bias is None else y + layer.bias


def _normalise(x: Floats, norm: Norm) -> Floats:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    normalised: Floats = centred / np.sqrt(variance + 1e-5) * norm.gain + norm.bias
    return normalised


def _softmax(x: Floats) -> Floats:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _gelu(x: Floats) -> Floats:
    """The exact one: 0.5 x (1 + erf(x / sqrt 2))."""
    share = _erf(x / math.sqrt(2.0)).astype(np.float32)
    y: Floats = 0.5 * x * (1.0 + share)
    return y
