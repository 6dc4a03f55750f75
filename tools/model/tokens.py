"""Which token ids are languages, the start of a transcript, and "no speech".

Sources: `tokenizer.json` or `added_tokens.json` (Hugging Face), `vocabulary.txt` or
`vocabulary.json` (CTranslate2: a list, the id is the position).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadWeights, NoWeights

ENGLISH_ONLY_VOCABULARY = 51_864
"""The `.en` models have one token less than the multilingual ones and know no languages."""

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")


@dataclass(frozen=True)
class LanguageTokens:
    """Token ids that matter for language identification."""

    start: int
    no_speech: int
    languages: dict[str, int]
    """Whisper's code to token id, in the order of the ids."""


def read_tokens(folder: Path) -> LanguageTokens:
    """Finds the tokens in whichever vocabulary file the folder has."""
    return select(_read_ids(folder))


def parse_vocabulary(text: str) -> LanguageTokens:
    """Finds the tokens in the text of a `vocabulary.txt`."""
    return select({token: number for number, token in enumerate(text.split("\n"))})


def select(ids: dict[str, int]) -> LanguageTokens:
    """Picks the tokens out of a vocabulary.

    Languages stand between the start token and `<|translate|>` in every Whisper vocabulary, which
    tells them from tasks; `<|nocaptions|>` is what the first vocabularies called `<|nospeech|>`.
    """
    start = ids.get("<|startoftranscript|>")
    end = ids.get("<|translate|>")
    no_speech = ids.get("<|nospeech|>", ids.get("<|nocaptions|>"))
    if start is None or end is None or no_speech is None:
        raise BadWeights("the vocabulary is not a Whisper vocabulary: special tokens are missing")
    languages = {
        match[1]: token
        for text, token in sorted(ids.items(), key=lambda item: item[1])
        if start < token < end and (match := _LANGUAGE.fullmatch(text))
    }
    if not languages or len(languages) != end - start - 1:
        raise BadWeights(
            f"the vocabulary has {len(languages)} language tokens between <|startoftranscript|> "
            f"and <|translate|>, expected {end - start - 1}"
        )
    return LanguageTokens(start, no_speech, languages)


def refuse_english_only(rows: int, flagged: bool) -> None:
    """Says why a model cannot identify languages, from its embedding's rows or its own flag."""
    if flagged or rows == ENGLISH_ONLY_VOCABULARY:
        raise BadWeights("these weights are an English-only Whisper model, a multilingual one is needed")


def read_json(path: Path) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """Parses a JSON file of the weights folder."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoWeights(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise BadWeights(f"read {path}: {error}") from error


def _read_ids(folder: Path) -> dict[str, int]:
    try:
        if (folder / "vocabulary.txt").exists():
            lines = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
            return {text: number for number, text in enumerate(lines)}
        if (folder / "vocabulary.json").exists():
            return {str(text): number for number, text in enumerate(read_json(folder / "vocabulary.json"))}
        if (folder / "tokenizer.json").exists():
            added = read_json(folder / "tokenizer.json")["added_tokens"]
            return {str(token["content"]): int(token["id"]) for token in added}
        if (folder / "added_tokens.json").exists():
            return {str(text): int(token) for text, token in read_json(folder / "added_tokens.json").items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadWeights(f"the vocabulary in {folder} cannot be read: {error}") from error
    raise NoWeights(
        f"{folder} has no vocabulary (tokenizer.json, added_tokens.json, vocabulary.txt or vocabulary.json)"
    )
