"""What can go wrong, each with the exit status that `make-model --help` documents."""


class ToolError(Exception):
    """Something the person at the terminal is told in one sentence."""

    status = 70


class BadWeights(ToolError):
    """The weights are not what they should be: malformed, of another kind, or with another hash."""

    status = 65


class NoWeights(ToolError):
    """The folder with weights, or a file in it, is missing."""

    status = 66


class Unreachable(ToolError):
    """A source cannot be reached, or is needed although `--offline` forbids it."""

    status = 69


class CheckFailed(ToolError):
    """The graph that was made does not answer as it must; nothing was written."""

    status = 70


class CannotWrite(ToolError):
    """The output or cache folder cannot be written."""

    status = 74
