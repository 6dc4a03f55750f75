"""The output folder through the command line, with a package that was unpacked before."""

import contextlib
import io
import json
import os
import tempfile
import unittest
import wave
from pathlib import Path
from unittest import mock

import soundfile

from clips import cli, packages
from clips.prompts import RATE

from .test_mix import tone


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.out = self.folder / "clips"
        self.cache = self.folder / "cache"
        for language in ("en", "fr"):
            sounds = self.cache / packages.PACKAGES[language] / "usr/share/asterisk/sounds"
            sounds.mkdir(parents=True)
            for number in range(30):
                soundfile.write(sounds / f"{number:02}.wav", tone(language, 2 + number / 10), RATE)

    def run_tool(self, *more: str) -> tuple[int, str]:
        words = io.StringIO()
        options = ["--out", str(self.out), "--cache", str(self.cache), "--languages", "en,fr", "--count", "2"]
        with contextlib.redirect_stderr(words):
            status = cli.main([*options, *more])
        return status, words.getvalue()

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.out.iterdir()}

    def test_folder_holds_the_clips_and_nothing_else(self) -> None:
        self.assertEqual(self.run_tool("--hard")[0], 0)
        openings = ("announcement", "music", "silence")
        hard = {f"{language}_{opening}_01.wav" for language in ("en", "fr") for opening in openings}
        self.assertEqual(self.content().keys(), {"en_01.wav", "en_02.wav", "fr_01.wav", "fr_02.wav"} | hard)
        with wave.open(str(self.out / "en_01.wav")) as clip:
            self.assertEqual((clip.getframerate(), clip.getnchannels(), clip.getsampwidth()), (RATE, 1, 2))

    def test_manifest_tells_language_and_duration(self) -> None:
        truth = self.folder / "truth.json"
        self.run_tool("--manifest", str(truth))
        clips = json.loads(truth.read_text())["clips"]
        self.assertEqual(set(clips), set(self.content()))
        for name, entry in clips.items():
            self.assertEqual(entry["language"], name.split("_")[0])
            self.assertAlmostEqual(
                entry["duration_seconds"], soundfile.info(self.out / name).duration, places=2
            )

    def test_second_run_has_nothing_to_do(self) -> None:
        self.run_tool()
        before = {path.name: path.stat().st_mtime_ns for path in self.out.iterdir()}
        status, words = self.run_tool("--offline")
        self.assertEqual(status, 0)
        self.assertIn("nothing to do", words)
        self.assertEqual(before, {path.name: path.stat().st_mtime_ns for path in self.out.iterdir()})

    def test_damaged_and_missing_clips_are_made_again_as_they_were(self) -> None:
        self.run_tool()
        whole = self.content()
        (self.out / "en_01.wav").write_bytes(b"damaged")
        (self.out / "fr_02.wav").unlink()
        self.assertIn("2 clips", self.run_tool()[1])
        self.assertEqual(self.content(), whole)

    def test_more_clips_leave_those_there_were_and_fewer_remove_only_our_own(self) -> None:
        self.run_tool()
        few = self.content()
        self.run_tool("--count", "5")
        self.assertEqual({name: self.content()[name] for name in few}, few)
        (self.out / "mine.wav").write_bytes(b"somebody's own")
        self.run_tool()
        self.assertEqual(self.content(), few | {"mine.wav": b"somebody's own"})

    def test_another_seed_makes_other_clips(self) -> None:
        self.run_tool()
        first = self.content()
        self.run_tool("--seed", "2")
        self.assertEqual(first.keys(), self.content().keys())
        self.assertTrue(all(self.content()[name] != first[name] for name in first))

    def test_package_that_is_not_there_is_named_when_offline(self) -> None:
        status, words = self.run_tool("--languages", "en,ru", "--offline")
        self.assertEqual(status, 69)
        self.assertIn(packages.PACKAGES["ru"], words)

    def test_machine_without_apt_is_told_what_to_do(self) -> None:
        with mock.patch.dict(os.environ, {"PATH": str(self.folder)}):
            status, words = self.run_tool("--languages", "en,ru")
        self.assertEqual(status, 69)
        self.assertRegex(words, "apt-get is not on this machine.*quickstart DIR")

    def test_apt_that_fails_is_quoted_and_leaves_nothing_that_counts(self) -> None:
        programs = self.folder / "programs"
        programs.mkdir()
        for name, script in (
            ("apt-cache", "exit 0"),
            ("dpkg", "exit 0"),
            ("apt-get", "echo 'E: no route' >&2; exit 100"),
        ):
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        with mock.patch.dict(os.environ, {"PATH": f"{programs}:{os.environ['PATH']}"}):
            status, words = self.run_tool("--languages", "en,ru")
        self.assertEqual(status, 69)
        self.assertIn("E: no route", words)
        self.assertFalse((self.cache / packages.PACKAGES["ru"]).exists())
        self.assertEqual([path.name for path in self.cache.glob(".apt")], [])

    def test_arguments_that_are_wrong_exit_64(self) -> None:
        for wrong in (("--languages", "en"), ("--languages", "en,tlh"), ("--count", "-1"), ("--seed", "x")):
            with self.subTest(wrong=wrong), self.assertRaises(SystemExit) as usage:
                self.run_tool(*wrong)
            self.assertEqual(usage.exception.code, 64)
