"""Files that exist whole or not at all."""

import tempfile
import threading
import unittest
from pathlib import Path

from durable import locked, make_folder, scratch, write_whole
from terminal import CannotWrite


class Durable(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def test_file_that_is_not_finished_leaves_the_old_one(self) -> None:
        path = self.folder / "file"
        path.write_text("old")

        def fill(part: Path) -> None:
            part.write_text("half")
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            write_whole(path, fill)
        self.assertEqual(path.read_text(), "old")
        self.assertEqual(list(self.folder.iterdir()), [path])

    def test_disk_that_refuses_is_reported_with_the_path(self) -> None:
        with self.assertRaisesRegex(CannotWrite, "absent/file"):
            write_whole(self.folder / "absent" / "file", lambda part: part.touch())
        (self.folder / "file").touch()
        with self.assertRaisesRegex(CannotWrite, "file/below"):
            make_folder(self.folder / "file" / "below")

    def test_scratch_folder_starts_empty_whatever_a_killed_run_left(self) -> None:
        path = self.folder / ".scratch"
        path.mkdir()
        (path / "half").write_text("of an older run")
        with scratch(path) as folder:
            self.assertEqual(list(folder.iterdir()), [])
            (folder / "new").touch()
        self.assertFalse(path.exists())

    def test_second_run_waits_for_the_first(self) -> None:
        waited, inside = threading.Event(), threading.Event()
        order: list[str] = []

        def second() -> None:
            with locked(self.folder, waited.set):
                order.append("second")
            inside.set()

        with locked(self.folder, self.fail):
            thread = threading.Thread(target=second)
            thread.start()
            self.assertTrue(waited.wait(10))
            order.append("first")
        self.assertTrue(inside.wait(10))
        thread.join()
        self.assertEqual(order, ["first", "second"])
