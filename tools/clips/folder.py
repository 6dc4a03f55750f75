"""Brings the output folder in line with a wish, and remembers what is in it.

The manifest stands beside the folder, so that the folder holds recordings and nothing else. Only
files that a manifest of this tool names are ever removed.
"""

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from durable import locked, make_folder, sha256, write_whole
from terminal import Say

from . import VERSION, formats, mix, packages, prompts
from .plan import Recipe, Wish, recipes
from .prompts import RATE


@dataclass(frozen=True)
class Place:
    """Where clips, manifest and unpacked prompts go."""

    clips: Path
    manifest: Path
    cache: Path
    offline: bool


def run(place: Place, wish: Wish, say: Say) -> bool:
    """Makes the clips that are missing; False when none was."""
    with locked(place.cache, lambda: say(f"waiting for another run on {place.cache}")):
        return _run(place, wish, say)


def _run(place: Place, wish: Wish, say: Say) -> bool:
    planned = recipes(wish)
    old = _remembered(place.manifest, wish)
    missing = [recipe for recipe in planned if not _intact(place.clips, recipe.name, old)]
    surplus = sorted(set(_named(place.manifest)) - {recipe.name for recipe in planned})
    if old and not missing and not surplus:
        return False
    make_folder(place.clips)
    for name in surplus:
        (place.clips / name).unlink(missing_ok=True)
    entries = {name: entry for name, entry in old.items() if name not in surplus}
    entries |= _make(place, wish, missing, say)
    _write_manifest(place.manifest, wish, {recipe.name: entries[recipe.name] for recipe in planned})
    return True


def _make(place: Place, wish: Wish, missing: list[Recipe], say: Say) -> dict[str, Any]:
    if not missing:
        return {}
    folders = packages.unpack(wish.languages, place.cache, place.offline, say)
    spoken = {language: prompts.read(folder) for language, folder in folders.items()}
    say(f"joining prompts to {len(missing)} clips in {len(wish.languages)} languages")
    entries = {}
    for recipe in missing:
        samples = mix.samples(recipe, spoken, wish.seed)
        target = place.clips / recipe.name
        write_whole(target, partial(formats.write, samples=samples, format_=recipe.format))
        entries[recipe.name] = {
            "language": recipe.language,
            "duration_seconds": round(len(samples) / RATE, 3),
            "sha256": sha256(target),
        }
    return entries


def _remembered(manifest: Path, wish: Wish) -> dict[str, Any]:
    """The entries of the manifest, if the clips it names are those that the wish would give."""
    content = _content(manifest)
    same = content.get("tool") == VERSION and content.get("seed") == wish.seed
    neighbours = content.get("languages") == list(wish.languages)  # they decide the announcements
    return dict(content["clips"]) if same and neighbours else {}


def _named(manifest: Path) -> list[str]:
    return [name for name in _content(manifest).get("clips", {}) if Path(name).name == name]


def _content(manifest: Path) -> dict[str, Any]:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return content if isinstance(content["clips"], dict) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _intact(clips: Path, name: str, entries: dict[str, Any]) -> bool:
    path = clips / name
    return name in entries and path.is_file() and sha256(path) == entries[name].get("sha256")


def _write_manifest(path: Path, wish: Wish, entries: dict[str, Any]) -> None:
    content = {"tool": VERSION, **asdict(wish), "clips": entries}
    text = json.dumps(content, indent=2) + "\n"
    make_folder(path.parent)

    def fill(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    write_whole(path, fill)
