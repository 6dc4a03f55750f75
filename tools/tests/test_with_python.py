"""The script that makes the Python environment, run as copies in folders of their own."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]


class WithPython(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.programs = self.root / "programs"
        self.programs.mkdir()
        (self.root / "tools").mkdir()
        shutil.copy(TOOLS / "with-python", self.root / "tools")
        (self.root / "tools/requirements.txt").write_text("# nothing is needed\n")
        for name in ("sh", "dirname", "sha256sum", "cat", "mkdir", "flock"):
            (self.programs / name).symlink_to(shutil.which(name) or "/bin/false")

    def program(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def run_script(self, *arguments: str, everything: bool = False) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs}:{os.environ['PATH']}" if everything else str(self.programs)
        return subprocess.run(
            [str(self.root / "tools/with-python"), *arguments],
            env={"PATH": path, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_environment_is_made_once_and_again_when_the_pins_change(self) -> None:
        ask = ("-c", "import sys; print(sys.prefix)")
        first = self.run_script(*ask, everything=True)
        self.assertEqual(first.stdout.strip(), str(self.root / ".venv"))
        self.assertIn("making", first.stderr)
        self.assertEqual(self.run_script(*ask, everything=True).stderr, "")
        (self.root / "tools/requirements.txt").write_text("# other pins\n")
        self.assertIn("making", self.run_script(*ask, everything=True).stderr)

    def test_environment_without_its_packages_does_not_count(self) -> None:
        pin = "cofi-absent==1.0.0 --hash=sha256:" + "0" * 64
        (self.root / "tools/requirements.txt").write_text(pin + "\n")
        for _ in range(2):
            done = self.run_script("-c", "print('ran')", everything=True)
            self.assertEqual((done.returncode, done.stdout), (69, ""))
            self.assertIn("come from PyPI", done.stderr)

    def test_offline_without_an_environment_says_what_to_do(self) -> None:
        done = self.run_script("-m", "model", "--offline", everything=True)
        self.assertEqual(done.returncode, 69)
        self.assertIn("Run once with a network", done.stderr)
        self.assertFalse((self.root / ".venv").exists())

    def test_machine_without_a_fitting_python_is_told_the_package(self) -> None:
        self.program("python3", "exit 1")
        done = self.run_script("--version")
        self.assertEqual(done.returncode, 69)
        self.assertIn("apt-get install python3 python3-venv", done.stderr)

    def test_python_without_ensurepip_is_told_the_package(self) -> None:
        self.program("python3", 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac')
        done = self.run_script("--version")
        self.assertEqual(done.returncode, 69)
        self.assertIn("apt-get install python3.11-venv", done.stderr)
