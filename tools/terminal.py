"""How a tool speaks to the person at the terminal: words on stderr, and an exit status."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

USAGE_ERROR = 64
INTERRUPTED = 130

Say = Callable[[str], None]


class ToolError(Exception):
    """Something the person at the terminal is told in one sentence."""

    status = 70


class Unreachable(ToolError):
    """A source cannot be reached, or a program that the tool calls is not on this machine."""

    status = 69


class CannotWrite(ToolError):
    """The output or cache folder cannot be written."""

    status = 74


class Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors exit 64, like those of Cofi's own programs."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def say(words: str) -> None:
    """Tells the person at the terminal something, at once."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def report(program: str, work: Callable[[], None]) -> int:
    """Runs a tool's work and turns what stops it into words and an exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that scratch folders go too
    try:
        work()
    except ToolError as error:
        say(f"{program}: {error}")
        return error.status
    except KeyboardInterrupt:
        say(f"{program}: interrupted; run it again, what is complete is kept")
        return INTERRUPTED
    return 0
