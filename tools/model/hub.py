"""Fetches a Whisper repository from Hugging Face, giving up after 5 s without a connection.

The hashes of these files are not pinned: nothing here vouches for them but the server, which
announces the SHA-256 of large files (`X-Linked-Etag`). They are accepted only because the graph
made from them must then answer as the reference does; the manifest says so. `HF_ENDPOINT` names a
mirror, as it does for Hugging Face's own tools.
"""

import http.client
import json
import os
import re
import threading
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from durable import make_folder, sha256, write_whole
from terminal import Say, Unreachable

from .errors import BadWeights, NoWeights

CONNECT_LIMIT = 5.0
"""Seconds until the first answer; a firewall that drops packets must not cost minutes."""
READ_LIMIT = 60.0
"""Seconds without a byte after which a download that had begun is given up."""
SMALL_FILES = ("config.json", "generation_config.json", "tokenizer.json")
WEIGHTS = "model.safetensors"

_RECEIPT = "received.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Received:
    """A complete copy of a repository in the cache folder."""

    repository: str
    commit: str
    """Revision as the server named it, empty when it did not."""
    files: dict[str, str]
    """File name to SHA-256 of what was received."""


def cached(folder: Path, repository: str) -> Received | None:
    """The copy that an earlier run completed, unless it was damaged since."""
    try:
        receipt = Received(**json.loads((folder / _RECEIPT).read_text(encoding="utf-8")))
        intact = all(sha256(folder / name) == digest for name, digest in receipt.files.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return receipt if intact and receipt.repository == repository else None


def fetch(repository: str, folder: Path, say: Say) -> Received:
    """Downloads config, tokens and weights into `folder`."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    base = f"{endpoint}/{repository}/resolve/main/"
    say(f"asking {endpoint} for {repository}")
    with _first_answer(base + SMALL_FILES[0]) as answer:
        commit = answer.headers.get("X-Repo-Commit", "")
        _read(answer, SMALL_FILES[0])
    make_folder(folder)
    (folder / _RECEIPT).unlink(missing_ok=True)
    files = {}
    for name in (*SMALL_FILES, WEIGHTS):
        _download(base + name, folder / name, say)
        files[name] = sha256(folder / name)
    received = Received(repository, commit, files)
    text = json.dumps(asdict(received), indent=2) + "\n"
    write_whole(folder / _RECEIPT, lambda part: _write(part, text))
    return received


def _first_answer(url: str) -> http.client.HTTPResponse:
    """Opens the URL with a limit that also holds for name resolution, which sockets do not limit."""
    outcome: list[http.client.HTTPResponse | Exception] = []

    def attempt() -> None:
        try:
            outcome.append(_open(url, CONNECT_LIMIT))
        except (Unreachable, NoWeights) as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(CONNECT_LIMIT)
    match outcome:
        case [http.client.HTTPResponse() as answer]:
            return answer
        case [Exception() as error]:
            raise error
    raise Unreachable(f"{url} does not answer within {CONNECT_LIMIT:.0f} s")


def _open(url: str, limit: float) -> http.client.HTTPResponse:
    if not url.startswith(("https://", "http://")):
        raise Unreachable(f"{url} is not an http address")
    request = urllib.request.Request(url, headers={"User-Agent": "cofi-make-model"})  # noqa: S310 (see above)
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=limit)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403, 404):
            raise NoWeights(f"{url}: the server answers {error.code} {error.reason}") from error
        raise Unreachable(f"{url}: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unreachable(f"{url} cannot be reached: {reason}") from error
    return answer


def _download(url: str, target: Path, say: Say) -> None:
    answer = _open(url, READ_LIMIT)
    announced = answer.headers.get("X-Linked-Etag", answer.headers.get("ETag", "")).strip('"')
    size = int(answer.headers.get("Content-Length") or 0)
    with answer:
        write_whole(target, lambda part: _receive(answer, part, size, target.name, say))
    if _SHA256.fullmatch(announced) and sha256(target) != announced:
        raise BadWeights(f"{url}: what arrived is not what the server announced (SHA-256 {announced})")


def _receive(answer: http.client.HTTPResponse, part: Path, size: int, name: str, say: Say) -> None:
    received, told = 0, 0
    with part.open("wb") as file:
        while block := _read(answer, name):
            file.write(block)
            received += len(block)
            if size > 1 << 24 and received * 10 // size > told:
                told = received * 10 // size
                say(f"fetching {name}: {received >> 20} of {size >> 20} MB")
    if size and received != size:
        raise Unreachable(f"the connection broke after {received} of {size} bytes of {name}")


def _read(answer: http.client.HTTPResponse, name: str) -> bytes:
    try:
        return answer.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the connection broke while {name} was fetched: {error}") from error


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
