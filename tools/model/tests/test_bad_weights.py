"""Weights that are not what they should be end in one sentence, never in a graph."""

import json
import struct
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model import ct2, huggingface, source, tokens
from model.errors import BadWeights, NoWeights

from . import tiny


class WithFolder(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.arrays = tiny.tensors()


class Ct2(WithFolder):
    def load(self, content: bytes) -> None:
        tiny.write_ct2(self.folder, self.arrays)
        (self.folder / "model.bin").write_bytes(content)
        ct2.load(self.folder)

    def refuses(self, content: bytes, words: str) -> None:
        with self.assertRaisesRegex(BadWeights, words):
            self.load(content)

    def test_file_cut_short_anywhere_is_refused(self) -> None:
        whole = tiny.model_bin(tiny.ct2_variables(self.arrays))
        rng = np.random.default_rng(3)
        needed = len(whole) - 60  # without the aliases, which nothing reads
        for length in [1, 4, 5, 19, needed - 1, *rng.integers(20, needed, 40).tolist()]:
            with self.subTest(length=length):
                self.refuses(whole[:length], "ends early")

    def test_empty_file_is_refused(self) -> None:
        self.refuses(b"", "model.bin")

    def test_other_version_and_other_model_are_refused(self) -> None:
        variables = tiny.ct2_variables(self.arrays)
        self.refuses(tiny.model_bin(variables, version=5), "format 6 .it says 5")
        self.refuses(tiny.model_bin(variables, spec="TransformerSpec"), "TransformerSpec")

    def test_unknown_type_is_refused(self) -> None:
        whole = bytearray(tiny.model_bin(tiny.ct2_variables(self.arrays)))
        first = whole.index(b"encoder/num_heads\0") + len(b"encoder/num_heads\0")
        whole[first + 1] = 9
        self.refuses(bytes(whole), "unknown type 9")

    def test_byte_count_that_is_not_the_shapes_is_refused(self) -> None:
        whole = bytearray(tiny.model_bin(tiny.ct2_variables(self.arrays)))
        name = b"encoder/layer_norm/gamma\0"
        struct.pack_into("<I", whole, whole.index(name) + len(name) + 1, tiny.WIDTH + 1)
        self.refuses(bytes(whole), "not those of")

    def test_absurd_rank_is_refused(self) -> None:
        whole = bytearray(tiny.model_bin(tiny.ct2_variables(self.arrays)))
        whole[whole.index(b"encoder/num_heads\0") + len(b"encoder/num_heads\0")] = 200
        self.refuses(bytes(whole), "200 dimensions")

    def test_missing_misshapen_quantised_and_infinite_tensors_are_refused(self) -> None:
        def changed(change: Callable[[dict[str, np.ndarray]], object]) -> bytes:
            variables = tiny.ct2_variables(self.arrays)
            change(variables)
            return tiny.model_bin(variables)

        name = "decoder/layer_1/attention/linear_2/weight"
        self.refuses(changed(lambda v: v.pop(name)), f"lack the tensor {name}")
        self.refuses(changed(lambda v: v.update({name: v[name][:5]})), f"{name} has shape")
        self.refuses(changed(lambda v: v.update({name: v[name].astype("i1")})), f"{name} holds int8")
        self.refuses(changed(lambda v: v.update({name: v[name] * np.inf})), f"{name} holds values")
        self.refuses(changed(lambda v: v.update({"encoder/num_heads": np.array(5, "<i2")})), "heads")

    def test_missing_files_are_named(self) -> None:
        tiny.write_ct2(self.folder, self.arrays)
        (self.folder / "vocabulary.txt").unlink()
        with self.assertRaisesRegex(NoWeights, "has no vocabulary"):
            ct2.load(self.folder)
        (self.folder / "vocabulary.txt").write_text("\n".join(tiny.VOCABULARY))
        (self.folder / "model.bin").unlink()
        with self.assertRaisesRegex(NoWeights, "model.bin is missing"):
            ct2.load(self.folder)


class HuggingFace(WithFolder):
    def load(self, content: bytes) -> None:
        tiny.write_huggingface(self.folder, self.arrays)
        (self.folder / "model.safetensors").write_bytes(content)
        huggingface.load(self.folder)

    def refuses(self, content: bytes, words: str) -> None:
        with self.assertRaisesRegex(BadWeights, words):
            self.load(content)

    def test_file_cut_short_anywhere_is_refused(self) -> None:
        whole = tiny.safetensors(self.arrays)
        for length in (1, 7, 8, 100, len(whole) // 2, len(whole) - 1):
            with self.subTest(length=length):
                self.refuses(whole[:length], "too short|cut short")

    def test_header_that_is_no_json_or_no_object_is_refused(self) -> None:
        self.refuses(struct.pack("<Q", 4) + b"{{{{", "not JSON")
        self.refuses(struct.pack("<Q", 2) + b"[]", "not a JSON object")

    def test_entry_that_points_outside_the_file_is_refused(self) -> None:
        for offsets in ([0, 1 << 40], [-4, 0], [8, 4], ["0", "4"], None):
            with self.subTest(offsets=offsets):
                entry = {"a": {"dtype": "F32", "shape": [1], "data_offsets": offsets}}
                text = json.dumps(entry).encode()
                self.refuses(struct.pack("<Q", len(text)) + text + bytes(16), "does not fit|malformed")

    def test_negative_shape_is_refused(self) -> None:
        entry = {"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}
        text = json.dumps(entry).encode()
        self.refuses(struct.pack("<Q", len(text)) + text + bytes(16), "malformed|does not fit")

    def test_names_without_the_leading_model_are_read_too(self) -> None:
        tiny.write_huggingface(self.folder, self.arrays)
        with_prefix = huggingface.load(self.folder)
        (self.folder / "model.safetensors").write_bytes(tiny.safetensors(self.arrays))
        self.assertEqual(huggingface.load(self.folder).fingerprint(), with_prefix.fingerprint())

    def test_weights_in_several_files_are_read_together(self) -> None:
        tiny.write_huggingface(self.folder, self.arrays)
        whole = huggingface.load(self.folder)
        (self.folder / "model.safetensors").unlink()
        parts: dict[str, tiny.Arrays] = {"one.safetensors": {}, "two.safetensors": {}}
        for number, (name, array) in enumerate(self.arrays.items()):
            list(parts.values())[number % 2][name] = array
        for file, arrays in parts.items():
            (self.folder / file).write_bytes(tiny.safetensors(arrays))
        index = {"weight_map": {name: file for file, arrays in parts.items() for name in arrays}}
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(index))
        self.assertEqual(huggingface.load(self.folder).fingerprint(), whole.fingerprint())
        self.assertEqual(source.describe_folder(self.folder)["files"].keys() >= parts.keys(), True)

    def test_index_that_leads_out_of_the_folder_is_refused(self) -> None:
        tiny.write_huggingface(self.folder, self.arrays)
        index = {"weight_map": {"a": "../elsewhere.safetensors"}}
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(index))
        with self.assertRaisesRegex(BadWeights, "outside its folder"):
            huggingface.load(self.folder)

    def test_bfloat16_is_widened(self) -> None:
        values = np.array([1.0, -2.5, 0.0078125], dtype=np.float32)
        halves = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        text = json.dumps({"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
        path = self.folder / "a.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + halves)
        np.testing.assert_array_equal(huggingface.read_safetensors(path)["a"], values)

    def test_heads_that_do_not_divide_the_width_are_refused(self) -> None:
        tiny.write_huggingface(self.folder, self.arrays, heads=5)
        with self.assertRaisesRegex(BadWeights, "5. attention heads"):
            huggingface.load(self.folder)

    def test_english_only_model_is_refused(self) -> None:
        tiny.write_huggingface(self.folder, self.arrays)
        (self.folder / "generation_config.json").write_text('{"is_multilingual": false}')
        with self.assertRaisesRegex(BadWeights, "English-only"):
            huggingface.load(self.folder)


class Tokens(unittest.TestCase):
    def test_old_name_of_no_speech_is_known(self) -> None:
        ids = {text: number for number, text in enumerate(tiny.VOCABULARY)}
        ids["<|nocaptions|>"] = ids.pop("<|nospeech|>")
        self.assertEqual(tokens.select(ids).no_speech, 8)

    def test_languages_keep_the_order_of_their_ids(self) -> None:
        ids = {text: number for number, text in reversed(list(enumerate(tiny.VOCABULARY)))}
        self.assertEqual(tokens.select(ids).languages, {"en": 3, "hi": 4, "yue": 5})

    def test_vocabulary_with_a_gap_or_without_special_tokens_is_refused(self) -> None:
        ids = {text: number for number, text in enumerate(tiny.VOCABULARY)}
        for missing in ("<|hi|>", "<|startoftranscript|>", "<|nospeech|>", "<|translate|>"):
            with self.subTest(missing=missing), self.assertRaises(BadWeights):
                tokens.select({text: number for text, number in ids.items() if text != missing})

    def test_folder_with_neither_format_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(NoWeights, "neither"):
            source.describe_folder(Path(folder))
        with self.assertRaisesRegex(NoWeights, "is not a folder"):
            source.describe_folder(Path("/nowhere"))
