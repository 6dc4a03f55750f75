"""The script that makes the Python environment, run as a copy in a folder of its own.

Its Python is a stand-in that makes environments at once: the real one has already been used by
whoever runs these tests.
"""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]

PYTHON = """#!/bin/sh
# python3 -m venv --clear DIR makes an environment whose python is this file again.
case "$*" in
    "-c import ensurepip"*) exit "${WITHOUT_ENSUREPIP:-0}" ;;
    "-c import sys; print("*) echo 3.11 ;;
    "-c import sys; sys.exit("*) exit "${TOO_OLD:-0}" ;;
    "-m venv --clear "*) rm -rf "$4"; mkdir -p "$4/bin"; cp "$STAND_IN" "$4/bin/python" ;;
    "-m pip install "*) echo "$@" >>"$PIP_CALLS"; exit "${PIP_FAILS:-0}" ;;
    *) echo "$0 $*; PYTHONPATH=$PYTHONPATH" ;;
esac
"""


class WithPython(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.programs = self.root / "programs"
        self.programs.mkdir()
        self.pip_calls = self.root / "pip-calls"
        (self.root / "tools").mkdir()
        shutil.copy(TOOLS / "with-python", self.root / "tools")
        self.requirements = self.root / "tools/requirements.txt"
        self.requirements.write_text("# some pins\n")
        (self.programs / "python3").write_text(PYTHON)
        (self.programs / "python3").chmod(0o755)
        for name in ("sh", "dirname", "sha256sum", "cat", "mkdir", "cp", "rm", "flock"):
            found = shutil.which(name)
            if found:  # flock is used where it is there
                (self.programs / name).symlink_to(found)

    def run_script(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        stand_in = {"STAND_IN": str(self.programs / "python3"), "PIP_CALLS": str(self.pip_calls)}
        return subprocess.run(
            [str(self.root / "tools/with-python"), *arguments],
            env={"PATH": str(self.programs)} | stand_in | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def installs(self) -> int:
        return len(self.pip_calls.read_text().splitlines()) if self.pip_calls.exists() else 0

    def test_arguments_reach_the_python_of_the_environment(self) -> None:
        done = self.run_script("-m", "model", "--out", "a b")
        expected = f"{self.root}/.venv/bin/python -m model --out a b; PYTHONPATH={self.root}/tools\n"
        self.assertEqual((done.returncode, done.stdout), (0, expected))
        self.assertIn("making", done.stderr)

    def test_packages_are_installed_by_hash_alone(self) -> None:
        self.run_script("--version")
        for option in ("--require-hashes", "--no-deps", "--only-binary :all:", str(self.requirements)):
            self.assertIn(option, self.pip_calls.read_text())

    def test_environment_is_made_once_and_again_when_the_pins_change(self) -> None:
        self.run_script("--version")
        self.assertEqual(self.run_script("--version").stderr, "")
        self.assertEqual(self.installs(), 1)
        self.requirements.write_text("# other pins\n")
        self.assertIn("making", self.run_script("--version").stderr)
        self.assertEqual(self.installs(), 2)

    def test_environment_whose_packages_failed_to_install_does_not_count(self) -> None:
        for attempt in (1, 2):
            done = self.run_script("--version", PIP_FAILS="1")
            self.assertEqual((done.returncode, done.stdout), (69, ""))
            self.assertIn("come from PyPI", done.stderr)
            self.assertEqual(self.installs(), attempt)
        self.assertEqual(self.run_script("--version").returncode, 0)

    def test_environment_whose_python_is_gone_is_made_again(self) -> None:
        self.run_script("--version")
        (self.root / ".venv/bin/python").unlink()
        self.assertEqual(self.run_script("--version").returncode, 0)
        self.assertEqual(self.installs(), 2)

    def test_offline_without_an_environment_says_what_to_do(self) -> None:
        done = self.run_script("-m", "model", "--offline")
        self.assertEqual(done.returncode, 69)
        self.assertIn("Run once with a network", done.stderr)
        self.assertFalse((self.root / ".venv").exists())
        self.run_script("--version")
        self.assertEqual(self.run_script("-m", "model", "--offline").returncode, 0)

    def test_machine_without_a_fitting_python_is_told_the_package(self) -> None:
        done = self.run_script("--version", TOO_OLD="1")
        self.assertEqual(done.returncode, 69)
        self.assertIn("apt-get install python3 python3-venv", done.stderr)

    def test_python_without_ensurepip_is_told_the_package(self) -> None:
        done = self.run_script("--version", WITHOUT_ENSUREPIP="1")
        self.assertEqual(done.returncode, 69)
        self.assertIn("apt-get install python3.11-venv", done.stderr)
