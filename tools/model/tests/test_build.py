"""The folder as a whole, through the command line: made once, mended, never half."""

import contextlib
import hashlib
import io
import json
import shutil
import tempfile
import unittest
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import onnxruntime

from model import build, cli, runtime
from model.errors import CheckFailed
from model.wheels import Wheel

from . import tiny

OUTPUTS = ("lid.onnx", "silero_vad.onnx", "libonnxruntime.so")


class Build(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.out = self.folder / "models"
        self.cache = self.folder / "cache"
        self.weights = tiny.write_huggingface(self.folder / "hf", tiny.tensors())
        self.cache.mkdir()
        name = "silero_vad-0-py3-none-any.whl"
        with zipfile.ZipFile(self.cache / name, "w") as archive:
            archive.writestr("silero_vad/data/silero_vad.onnx", b"speech or not")
        digest = hashlib.sha256((self.cache / name).read_bytes()).hexdigest()
        patch = mock.patch.object(build, "SILERO_VAD", Wheel("silero-vad", "0", name, digest, 1))
        patch.start()
        self.addCleanup(patch.stop)

    def run_tool(self, *more: str) -> tuple[int, str]:
        words = io.StringIO()
        options = ["--out", str(self.out), "--cache", str(self.cache), "--offline", *more]
        if "--weights" not in more:
            options += ["--weights", str(self.weights)]
        with contextlib.redirect_stderr(words):
            status = cli.main(options)
        return status, words.getvalue()

    def hashes(self) -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.out.iterdir()
            if path.name != ".lock"
        }

    def manifest(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.out / "manifest.json").read_text())
        return content

    def test_folder_holds_what_the_engine_loads(self) -> None:
        self.assertEqual(self.run_tool()[0], 0)
        names = {"lid.onnx", "silero_vad.onnx", "libonnxruntime.so", "manifest.json"}
        self.assertEqual(set(self.hashes()), names)
        session = onnxruntime.InferenceSession(self.out / "lid.onnx", providers=["CPUExecutionProvider"])
        self.assertEqual([value.name for value in session.get_outputs()], ["probs", "no_speech"])
        self.assertEqual(session.get_modelmeta().custom_metadata_map["languages"], "en,hi,yue")
        self.assertEqual(self.manifest()["outputs"], {n: h for n, h in self.hashes().items() if n[0] != "m"})
        self.assertEqual(self.manifest()["source"]["format"], "huggingface")

    def test_second_run_has_nothing_to_do(self) -> None:
        self.run_tool()
        before = {path.name: path.stat().st_mtime_ns for path in self.out.iterdir() if path.name != ".lock"}
        status, words = self.run_tool()
        self.assertEqual(status, 0)
        self.assertIn("nothing to do", words)
        after = {path.name: path.stat().st_mtime_ns for path in self.out.iterdir() if path.name != ".lock"}
        self.assertEqual(before, after)

    def test_any_damaged_or_missing_file_is_made_again_and_the_others_are_left(self) -> None:
        self.run_tool()
        whole = self.hashes()
        for name in OUTPUTS:
            for damage in (self._flip_a_byte, self._cut, Path.unlink):
                path = self.out / name
                others = {other: (self.out / other).stat().st_mtime_ns for other in OUTPUTS if other != name}
                damage(path)
                status, words = self.run_tool()
                self.assertEqual(status, 0)
                self.assertIn(f"{name} is there", words)
                self.assertEqual(self.hashes(), whole)
                for other, time in others.items():
                    self.assertEqual((self.out / other).stat().st_mtime_ns, time)

    @staticmethod
    def _flip_a_byte(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    @staticmethod
    def _cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-1])

    def test_manifest_that_is_gone_or_damaged_vouches_for_nothing(self) -> None:
        self.run_tool()
        whole = self.hashes()
        for content in (None, b"", b"{}", b"[1]", b'{"format": 1}'):
            (self.out / "manifest.json").unlink()
            if content is not None:
                (self.out / "manifest.json").write_bytes(content)
            self.assertIn("lid.onnx is there", self.run_tool()[1])
            self.assertEqual(self.hashes(), whole)

    def test_other_weights_or_another_precision_make_another_model(self) -> None:
        self.run_tool()
        first = self.hashes()["lid.onnx"]
        self.assertIn("lid.onnx is there", self.run_tool("--precision", "f16")[1])
        half = self.hashes()["lid.onnx"]
        tiny.write_huggingface(self.weights, tiny.tensors(seed=8))
        self.assertIn("lid.onnx is there", self.run_tool("--precision", "f16")[1])
        self.assertEqual(len({first, half, self.hashes()["lid.onnx"]}), 3)

    def test_run_that_is_cut_off_is_completed_by_the_next(self) -> None:
        with mock.patch("model.build.onnx.save", side_effect=KeyboardInterrupt):
            self.assertEqual(self.run_tool()[0], 130)
        self.assertFalse((self.out / "manifest.json").exists())
        self.assertFalse((self.out / "lid.onnx").exists())
        (self.out / ".lid.onnx.part").write_bytes(b"half of an older run")
        self.assertEqual(self.run_tool()[0], 0)
        self.assertEqual(set(self.hashes()), {*OUTPUTS, "manifest.json"})

    def test_model_that_fails_its_check_is_not_written(self) -> None:
        with mock.patch("model.build.check.check", side_effect=CheckFailed("it differs")):
            status, words = self.run_tool()
        self.assertEqual(status, 70)
        self.assertIn("make-model: it differs", words)
        self.assertFalse((self.out / "lid.onnx").exists())

    def test_each_mistake_has_its_exit_status(self) -> None:
        self.assertEqual(self.run_tool("--weights", str(self.folder / "absent"))[0], 66)
        (self.weights / "model.safetensors").write_bytes(b"nothing of the kind")
        self.assertEqual(self.run_tool()[0], 65)
        tiny.write_huggingface(self.weights, tiny.tensors())
        shutil.rmtree(self.cache)
        self.assertEqual(self.run_tool()[0], 69)
        with self.assertRaises(SystemExit) as usage, contextlib.redirect_stderr(io.StringIO()):
            cli.main(["--precision", "int3"])
        self.assertEqual(usage.exception.code, 64)

    def test_folder_that_cannot_be_written_is_named(self) -> None:
        self.out.write_text("a file where the folder should be")
        status, words = self.run_tool()
        self.assertEqual(status, 74)
        self.assertIn(str(self.out), words)

    def test_cuda_build_brings_its_providers_and_the_cpu_build_removes_them(self) -> None:
        name = "onnxruntime_gpu-0-cp312-cp312-manylinux_2_28_x86_64.whl"
        with zipfile.ZipFile(self.cache / name, "w") as archive:
            for member in runtime.CUDA_MEMBERS.values():
                archive.writestr(member, member.encode())
        digest = hashlib.sha256((self.cache / name).read_bytes()).hexdigest()
        self.run_tool()
        cpu = self.hashes()
        wheel = Wheel("onnxruntime-gpu", "0", name, digest, 1)
        x86 = mock.patch("model.runtime.platform.machine", return_value="x86_64")
        with mock.patch.object(runtime, "ONNXRUNTIME_GPU", wheel), x86:
            self.assertNotIn("lid.onnx is there", self.run_tool("--runtime", "cuda")[1])
            self.assertEqual(set(self.hashes()), {*cpu, *runtime.CUDA_MEMBERS})
            self.assertIn(b"capi", (self.out / "libonnxruntime.so").read_bytes())
            self.assertEqual(self.manifest()["inputs"][name], digest)
            self.assertIn("nothing to do", self.run_tool("--runtime", "cuda")[1])
        self.assertEqual(self.run_tool()[0], 0)
        self.assertEqual(self.hashes(), cpu)

    def test_weights_too_large_for_one_file_are_refused_with_advice(self) -> None:
        with mock.patch.object(build, "LARGEST", 100_000):
            status, words = self.run_tool()
        self.assertEqual(status, 65)
        self.assertIn("--precision f16", words)
