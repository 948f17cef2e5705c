"""The registry of letters. The app that owns a letter's subject declares it and fills the registry at start-up.

This is how a lower floor asks an upper one: the post office knows a kind and a subject's id, and the letter knows the
rest. A letter's templates live in ``templates/<app>/letters/<kind>/{subject.txt,body.txt,body.html,sms.txt}``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clinic.models import Category, Channel, OutboundMessage

Context = Callable[[OutboundMessage], dict[str, Any]]
StillWanted = Callable[[OutboundMessage, datetime], str]


def always(_message: OutboundMessage, _now: datetime) -> str:
    """Return nothing: a letter that is wanted whatever happened since."""
    return ""


@dataclass(frozen=True)
class Letter:
    """One kind of letter.

    ``context(message)`` returns what the templates need, read from the subject at send time. ``still_wanted(message,
    now)`` returns "" when the letter should go, or the code of the reason why it no longer should: the last question
    before a letter leaves.
    """

    kind: str
    label: Any
    folder: str
    category: Category
    context: Context
    still_wanted: StillWanted = always
    channels: frozenset[Channel] = field(default=frozenset({Channel.EMAIL}))


class UnknownLetter(LookupError):
    """Nobody declared this kind of letter: a programming error, found by a test over every kind in use."""


_registry: dict[str, Letter] = {}


def register(letter: Letter) -> None:
    """Add a kind of letter. Refuses a second one of the same name."""
    if letter.kind in _registry and _registry[letter.kind] != letter:
        raise ValueError(f"Two letters are called {letter.kind}.")
    _registry[letter.kind] = letter


def get(kind: str) -> Letter:
    """Return the letter of that kind. Refuses a kind nobody declared."""
    try:
        return _registry[kind]
    except KeyError as error:
        raise UnknownLetter(kind) from error


def all_letters() -> list[Letter]:
    """Return every declared letter, by kind."""
    return [_registry[kind] for kind in sorted(_registry)]


def register_own() -> None:
    """Declare the ground floor's own letters: invitations of staff and security codes (clinic/own_letters.py)."""
