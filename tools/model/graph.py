"""Writes the LID-only graph: `mel[B, n_mels, T] -> probs[B, n_languages], no_speech[B, 1]`.

    mel ─ conv ─ conv (stride 2) ─ + positions ─ encoder layers ─ norm ─┐ keys and values
    start token ─ decoder layers (one token each) ──────────────────────┴─ norm ─ language rows ─ softmax

T is free: 3000 frames are 30 s, 1500 are 15 s, and the first T/2 positions are used. `no_speech`
is the share of `<|nospeech|>` in the softmax over it and the languages, where practically all the
mass of that step lies.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .weights import Attention, Floats, LidWeights, Linear, Mlp, Norm

OPSET = 20
IR_VERSION = 9
EPSILON = 1e-5


def build(weights: LidWeights, half: bool = False) -> onnx.ModelProto:
    """The graph in f32; with `half` everything between its input and its softmax is f16."""
    graph = _Graph(half)
    keys = _encoder(graph, weights)
    token = _decoder(graph, weights, keys)
    outputs = _outputs(graph, weights, token)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "whisper_lid",
            [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["B", weights.n_mels, "T"])],
            outputs,
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="cofi make-model",
    )
    metadata = {
        "languages": ",".join(weights.languages),
        "n_mels": str(weights.n_mels),
        "d_model": str(weights.d_model),
        "max_frames": str(2 * len(weights.positions)),
    }
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Collects nodes and constants, and names what each node puts out."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def weight(self, array: Floats) -> str:
        """A constant in the graph's own precision."""
        return self._constant(np.ascontiguousarray(array, dtype=np.float16 if self.half else np.float32))

    def integers(self, *values: int) -> str:
        """A constant list of integers: an axis, a shape, a bound."""
        return self._constant(np.array(values, dtype=np.int64))

    def add(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:  # noqa: ANN401
        """One node with one output, whose name is returned."""
        output = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def _constant(self, array: NDArray[np.generic]) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def norm(self, x: str, norm: Norm) -> str:
        gain, bias = self.weight(norm.gain), self.weight(norm.bias)
        return self.add("LayerNormalization", x, gain, bias, axis=-1, epsilon=EPSILON)

    def linear(self, x: str, linear: Linear, scale: float = 1.0) -> str:
        factor = np.float32(scale)
        product = self.add("MatMul", x, self.weight(linear.weight.T * factor))
        if linear.bias is None:
            return product
        return self.add("Add", product, self.weight(linear.bias * factor))

    def convolution(self, x: str, linear: Linear, stride: int) -> str:
        bias = [] if linear.bias is None else [self.weight(linear.bias)]
        y = self.add(
            "Conv", x, self.weight(linear.weight), *bias, kernel_shape=[3], pads=[1, 1], strides=[stride]
        )
        return self.add("Gelu", y)

    def mlp(self, x: str, mlp: Mlp) -> str:
        inner = self.add("Gelu", self.linear(self.norm(x, mlp.norm), mlp.up))
        return self.add("Add", x, self.linear(inner, mlp.down))

    def attention(self, x: str, keys: str, attention: Attention, heads: int) -> str:
        """Multi-head attention of `x` over `keys`, both [B, any, d_model]."""
        width = len(attention.out.weight)
        size = width // heads
        split = self.integers(0, -1, heads, size)
        query = self.linear(x, attention.query, scale=size**-0.5)
        key = self.linear(keys, attention.key)
        value = self.linear(keys, attention.value)
        by_head = [
            self.add("Transpose", self.add("Reshape", part, split), perm=order)
            for part, order in ((query, [0, 2, 1, 3]), (key, [0, 2, 3, 1]), (value, [0, 2, 1, 3]))
        ]
        share = self.add("Softmax", self.add("MatMul", by_head[0], by_head[1]), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", share, by_head[2]), perm=[0, 2, 1, 3])
        return self.linear(self.add("Reshape", mixed, self.integers(0, -1, width)), attention.out)


def _encoder(graph: _Graph, weights: LidWeights) -> str:
    x = graph.add("Cast", "mel", to=TensorProto.FLOAT16) if graph.half else "mel"
    x = graph.convolution(x, weights.conv1, stride=1)
    x = graph.convolution(x, weights.conv2, stride=2)
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    length = graph.add("Gather", graph.add("Shape", x), graph.integers(1), axis=0)
    positions = graph.add(
        "Slice", graph.weight(weights.positions), graph.integers(0), length, graph.integers(0)
    )
    x = graph.add("Add", x, positions)
    for layer in weights.encoder:
        y = graph.norm(x, layer.norm)
        x = graph.add("Add", x, graph.attention(y, y, layer.attention, weights.heads))
        x = graph.mlp(x, layer.mlp)
    return graph.norm(x, weights.encoder_norm)


def _decoder(graph: _Graph, weights: LidWeights, keys: str) -> str:
    start = graph.weight(weights.start.reshape(1, 1, -1))
    batch = graph.add("Gather", graph.add("Shape", keys), graph.integers(0), axis=0)
    x = graph.add("Expand", start, graph.add("Concat", batch, graph.integers(1, 1), axis=0))
    for layer in weights.decoder:
        own = graph.linear(graph.norm(x, layer.norm), layer.value)
        x = graph.add("Add", x, graph.linear(own, layer.out))
        y = graph.norm(x, layer.cross_norm)
        x = graph.add("Add", x, graph.attention(y, keys, layer.cross, weights.heads))
        x = graph.mlp(x, layer.mlp)
    return graph.add("Squeeze", graph.norm(x, weights.decoder_norm), graph.integers(1))


def _outputs(graph: _Graph, weights: LidWeights, token: str) -> Sequence[onnx.ValueInfoProto]:
    count = len(weights.languages)
    languages = graph.linear(token, Linear(weights.language_rows))
    silence = graph.linear(token, Linear(weights.no_speech_row.reshape(1, -1)))
    if graph.half:
        languages = graph.add("Cast", languages, to=TensorProto.FLOAT)
        silence = graph.add("Cast", silence, to=TensorProto.FLOAT)
    graph.add("Softmax", languages, name="probs", axis=-1)
    everything = graph.add("Softmax", graph.add("Concat", languages, silence, axis=1), axis=-1)
    bounds = (graph.integers(count), graph.integers(count + 1), graph.integers(1))
    graph.add("Slice", everything, *bounds, name="no_speech")
    return [
        helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["B", count]),
        helper.make_tensor_value_info("no_speech", TensorProto.FLOAT, ["B", 1]),
    ]
