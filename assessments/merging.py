"""What becomes of a draft when one or several windows save it: a part of a packet, a questionnaire. Pure; nothing typed is lost.

A window says which values it showed when it began (``seen``), what stands in it now, who it is, and how many times it has
spoken. Compared field by field, three ways: what the window did not change is not written; what it changed is written; and
where another window has changed the same field meanwhile, both texts are kept, the newer in the draft and the older beside it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# How many windows are remembered; a forgotten one is asked about a change of its own, and loses nothing.
WINDOWS = 8


@dataclass(frozen=True)
class Window:
    """Which window speaks, and the how-manieth time: a late letter of an earlier moment is not read any more."""

    name: str
    turn: int

    @classmethod
    def read(cls, key: str) -> "Window":
        """Return the window of a form's key, "<name>.<turn>"; a key that says nothing is a window nobody knows."""
        name, _dot, turn = key.strip().partition(".")
        known = name[:40] if name.isascii() and name.replace("-", "").isalnum() else ""
        return cls(known, int(turn[:9]) if turn[:9].isascii() and turn[:9].isdigit() else 0)


@dataclass(frozen=True)
class Stored:
    """What is kept of a part: the draft, what stands beside it, and the bookkeeping of the windows."""

    draft: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, list[str]] = field(default_factory=dict)
    hands: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Merged:
    """The new state; which fields changed, and in which of them two windows said different things just now."""

    stored: Stored
    changed: frozenset[str]
    clashed: frozenset[str]
    # The window had spoken later already; nothing was written.
    is_stale: bool = False


def read_seen(text: str) -> dict[str, str]:
    """Return what a window showed when it began; empty when that cannot be read, and then every difference is asked about."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return (
        {str(name): value for name, value in said.items() if isinstance(value, str)} if isinstance(said, dict) else {}
    )


def merge(stored: Stored, *, typed: Mapping[str, str], seen: Mapping[str, str], window: Window) -> Merged:
    """Return what is kept once a window has saved ``typed``, which names every field that it shows."""
    if is_late(stored.hands, window):
        return Merged(stored, frozenset(), frozenset(), is_stale=True)
    draft, others = dict(stored.draft), {name: list(texts) for name, texts in stored.others.items()}
    changed, clashed = set(), set()
    for name, value in typed.items():
        before, shown = draft.get(name, ""), seen.get(name, "")
        is_own = wrote(stored.hands, window, name)
        if value == before or (value == shown and not is_own):
            continue
        if before and before != shown and not is_own:
            clashed.add(name)
            others[name] = [*(text for text in others.get(name, []) if text not in (before, value)), before]
        draft[name] = value
        changed.add(name)
    hands = heard(stored.hands, window, changed)
    return Merged(Stored(_without_blanks(draft), others, hands), frozenset(changed), frozenset(clashed))


def is_late(hands: Mapping[str, Any], window: Window) -> bool:
    """Return whether the window has spoken later already: its letter was overtaken on the way, and is no news."""
    return bool(window.turn < hands.get("turns", {}).get(window.name, 0))


def wrote(hands: Mapping[str, Any], window: Window, name: str) -> bool:
    """Return whether the field was last changed by this same window: what it saved and never heard back about is its own."""
    return bool(window.name) and bool(hands.get("writers", {}).get(name) == window.name)


def heard(hands: Mapping[str, Any], window: Window, changed: Iterable[str]) -> dict[str, Any]:
    """Return the bookkeeping once a window has spoken and changed these fields."""
    turns = {name: turn for name, turn in hands.get("turns", {}).items() if name != window.name}
    turns[window.name] = window.turn
    writers = {**hands.get("writers", {}), **dict.fromkeys(changed, window.name)}
    return {"turns": dict(list(turns.items())[-WINDOWS:]), "writers": writers}


def choose(stored: Stored, *, name: str, place: int | None) -> Stored:
    """Return what is kept once the patient chose: the text at a place beside the draft, or (None) what stands in the draft."""
    others = {key: list(texts) for key, texts in stored.others.items()}
    beside = others.get(name, [])
    draft = dict(stored.draft)
    if place is not None:
        if not 0 <= place < len(beside):
            return stored
        draft[name] = beside[place]
    others.pop(name, None)
    return Stored(_without_blanks(draft), others, stored.hands)


def shown(draft: Mapping[str, str], names: Iterable[str]) -> str:
    """Return ``seen`` as the form carries it: the values that are on the screen."""
    return json.dumps({name: draft[name] for name in names if draft.get(name)})


def _without_blanks(draft: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in draft.items() if value}
