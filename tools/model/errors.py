"""What can be wrong with weights and graphs, each with the exit status that `--help` documents."""

from terminal import ToolError


class BadWeights(ToolError):
    """The weights are not what they should be: malformed, of another kind, or with another hash."""

    status = 65


class NoWeights(ToolError):
    """The folder with weights, or a file in it, is missing."""

    status = 66


class CheckFailed(ToolError):
    """The graph that was made does not answer as it must; nothing was written."""

    status = 70
