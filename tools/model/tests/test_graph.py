"""The graph against the oracle, and the two readers against each other."""

import tempfile
import unittest
from pathlib import Path

import numpy as np

from model import ct2, graph, huggingface, probes, reference
from model.check import Runner
from model.precision import Precision, build

from . import oracle, tiny


class Graph(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.arrays = tiny.tensors()
        self.weights = huggingface.load(tiny.write_huggingface(self.folder / "hf", self.arrays))

    def expected(self, mel: np.ndarray) -> tuple[np.ndarray, float]:
        start = tiny.VOCABULARY.index("<|startoftranscript|>")
        everything = oracle.logits(self.arrays, mel, tiny.HEADS, start)
        rows = [tiny.VOCABULARY.index(f"<|{code}|>") for code in ("en", "hi", "yue")]
        silence = tiny.VOCABULARY.index("<|nospeech|>")
        return oracle.softmax(everything[rows]), float(oracle.softmax(everything[[*rows, silence]])[-1])

    def test_graph_answers_like_a_forward_pass_with_nothing_folded(self) -> None:
        run = Runner(graph.build(self.weights))
        for frames in (2, 37, 200):
            mel = probes.mel(1, tiny.MELS, frames)
            probabilities, no_speech = run(mel)
            wanted, wanted_no_speech = self.expected(mel)
            np.testing.assert_allclose(probabilities[0], wanted, atol=2e-6)
            self.assertAlmostEqual(float(no_speech[0, 0]), wanted_no_speech, places=5)

    def test_numpy_reference_answers_like_the_oracle(self) -> None:
        mel = probes.mel(2, tiny.MELS, 50)
        probabilities, no_speech = reference.answer(self.weights, mel)
        wanted, wanted_no_speech = self.expected(mel)
        np.testing.assert_allclose(probabilities, wanted, atol=2e-6)
        self.assertAlmostEqual(no_speech, wanted_no_speech, places=5)

    def test_batch_gives_each_input_its_own_answer(self) -> None:
        run = Runner(graph.build(self.weights))
        mels = [probes.mel(variant, tiny.MELS, 40) for variant in range(3)]
        together = run(*mels)[0]
        for number, mel in enumerate(mels):
            np.testing.assert_allclose(together[number], run(mel)[0][0], atol=1e-6)
        self.assertGreater(float(np.abs(together[0] - together[1]).max()), 1e-3)

    def test_every_precision_answers_nearly_alike_and_says_what_it_is(self) -> None:
        mel = probes.mel(1, tiny.MELS, 60)
        wanted, _ = self.expected(mel)
        for precision, limit in ((Precision.F32, 1e-5), (Precision.F16, 1e-2), (Precision.INT8, 1e-1)):
            model = build(self.weights, precision)[precision]
            np.testing.assert_allclose(Runner(model)(mel)[0][0], wanted, atol=limit)
            metadata = {entry.key: entry.value for entry in model.metadata_props}
            self.assertEqual(metadata["languages"], "en,hi,yue")
            self.assertEqual((metadata["n_mels"], metadata["d_model"]), ("16", "32"))

    def test_int8_quantises_every_product_with_constant_weights(self) -> None:
        model = build(self.weights, Precision.INT8)[Precision.INT8]
        kinds = [node.op_type for node in model.graph.node]
        inside_attention = 2 * (tiny.LAYERS + tiny.LAYERS)
        self.assertEqual(kinds.count("MatMul"), inside_attention)
        self.assertEqual(kinds.count("MatMulInteger"), tiny.LAYERS * 6 + tiny.LAYERS * 8 + 2)

    def test_both_formats_give_the_same_weights(self) -> None:
        other = ct2.load(tiny.write_ct2(self.folder / "ct2", self.arrays))
        self.assertEqual(self.weights.fingerprint(), other.fingerprint())
        self.assertEqual(self.weights.parameters(), other.parameters())
        self.assertEqual(
            graph.build(self.weights).SerializeToString(), graph.build(other).SerializeToString()
        )

    def test_fingerprint_tells_models_apart(self) -> None:
        folder = tiny.write_huggingface(self.folder / "other", tiny.tensors(seed=8))
        other = huggingface.load(folder)
        self.assertNotEqual(self.weights.fingerprint(), other.fingerprint())
