"""The check is itself shown to notice damage."""

import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from onnx import numpy_helper

from model import check, graph, huggingface, probes, reference
from model.errors import CheckFailed
from model.precision import Precision, build

from . import tiny


class Check(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.weights = huggingface.load(tiny.write_huggingface(self.folder, tiny.tensors()))

    def use_answers(self, shift: float = 0.0, swap: bool = False) -> None:
        """Makes the tiny model one with reference answers, which are right unless told otherwise."""
        inputs = [(variant, frames) for variant in range(6) for frames in (60, 100)]
        told = [reference.answer(self.weights, probes.mel(v, tiny.MELS, f))[0] for v, f in inputs]
        sure = sorted(range(len(told)), key=lambda i: -np.ptp(np.sort(told[i])[-2:]))[:2]
        answers = []
        for (variant, frames), shares in ((inputs[i], told[i]) for i in sure):
            order = np.argsort(shares if swap else -shares)
            top = [(self.weights.languages[i], float(shares[i]) + shift) for i in order]
            answers.append({"variant": variant, "frames": frames, "top": top})
        known = {"name": "tiny", "fingerprint": self.weights.fingerprint(), "answers": answers}
        path = self.folder / "answers.json"
        path.write_text(json.dumps({"models": [known]}))
        patch = mock.patch.object(check, "ANSWERS", path)
        patch.start()
        self.addCleanup(patch.stop)

    def run_check(self, precision: Precision = Precision.F32, known: bool = True) -> check.Report:
        return check.check(self.weights, build(self.weights, precision), precision, known)

    def test_right_graphs_pass_in_every_precision(self) -> None:
        self.use_answers()
        for precision in Precision:
            report = self.run_check(precision)
            self.assertEqual(report.reference, "tiny")
            self.assertEqual(report.quantised_difference is not None, precision is Precision.INT8)

    def test_mistakes_in_the_graph_are_noticed(self) -> None:
        for name, damage in (
            ("tanh instead of exact gelu", _approximate_gelu),
            ("query not scaled", _unscaled_query),
            ("positions one off", _shifted_positions),
            ("another epsilon", _large_epsilon),
        ):
            model = graph.build(self.weights)
            damage(model, self.weights.d_model // self.weights.heads)
            with self.subTest(name), self.assertRaisesRegex(CheckFailed, "differs from numpy"):
                check.check(self.weights, {Precision.F32: model}, Precision.F32, known=False)

    def test_other_weights_than_the_source_is_to_serve_are_noticed(self) -> None:
        with self.assertRaisesRegex(CheckFailed, "not whisper-base"):
            self.run_check(known=True)

    def test_weights_that_nobody_knows_pass_without_reference_answers(self) -> None:
        report = self.run_check(known=False)
        self.assertIsNone(report.reference)
        self.assertIsNone(report.reference_difference)

    def test_answer_with_another_language_is_noticed(self) -> None:
        self.use_answers(swap=True)
        with self.assertRaisesRegex(CheckFailed, "the reference for"):
            self.run_check()

    def test_answer_with_another_probability_is_noticed(self) -> None:
        self.use_answers(shift=0.02)
        with self.assertRaisesRegex(CheckFailed, "differs from the reference answers"):
            self.run_check()

    def test_quantisation_that_costs_too_much_is_noticed(self) -> None:
        models = build(self.weights, Precision.INT8)
        for initializer in models[Precision.INT8].graph.initializer:
            if initializer.name.endswith("_quantized"):
                array = numpy_helper.to_array(initializer).copy()
                array[::2] = 0
                initializer.CopyFrom(numpy_helper.from_array(array, initializer.name))
        with self.assertRaisesRegex(CheckFailed, "int8"):
            check.check(self.weights, models, Precision.INT8, known=False)

    def test_answers_that_are_not_numbers_are_noticed(self) -> None:
        norm = self.weights.decoder_norm
        broken = replace(self.weights, decoder_norm=replace(norm, gain=norm.gain * np.float32("nan")))
        with self.assertRaises(CheckFailed):
            check.check(broken, build(broken, Precision.F32), Precision.F32, known=False)

    def test_shipped_answers_are_well_formed(self) -> None:
        for model in json.loads(check.ANSWERS.read_text())["models"]:
            self.assertEqual(len(model["fingerprint"]), 64)
            self.assertGreaterEqual(len({answer["top"][0][0] for answer in model["answers"]}), 4)
            for answer in model["answers"]:
                shares = [share for _, share in answer["top"]]
                self.assertEqual(shares, sorted(shares, reverse=True))


def _nodes(model: onnx.ModelProto, kind: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == kind]


def _approximate_gelu(model: onnx.ModelProto, _: int) -> None:
    for node in _nodes(model, "Gelu"):
        node.attribute.append(onnx.helper.make_attribute("approximate", "tanh"))


def _unscaled_query(model: onnx.ModelProto, head: int) -> None:
    softmax = _nodes(model, "Softmax")[0]
    product = next(node for node in model.graph.node if node.output[0] == softmax.input[0])
    model.graph.initializer.append(numpy_helper.from_array(np.array([head**0.5], np.float32), "undo"))
    place = list(model.graph.node).index(softmax)
    model.graph.node.insert(
        place, onnx.helper.make_node("Mul", [product.output[0], "undo"], ["unscaled"], name="unscaled")
    )
    softmax.input[0] = "unscaled"


def _shifted_positions(model: onnx.ModelProto, _: int) -> None:
    node = _nodes(model, "Slice")[0]
    for initializer in model.graph.initializer:
        if initializer.name == node.input[0]:
            rolled = np.roll(numpy_helper.to_array(initializer), 1, axis=0)
            initializer.CopyFrom(numpy_helper.from_array(rolled, initializer.name))


def _large_epsilon(model: onnx.ModelProto, _: int) -> None:
    for node in _nodes(model, "LayerNormalization"):
        next(entry for entry in node.attribute if entry.name == "epsilon").f = 0.05
