"""The wording that the clinic holds permissions for, as ``definitions`` asks for it. One query, however many instruments.

Whether a wording may be shown is decided by ``definitions.can_render`` and nowhere else; this module only brings what is
on file. An instrument that a clinician asks is never sent to a patient, whatever is on file (domain.md 2.1).
"""

from collections.abc import Iterable
from datetime import date

from assessments import definitions
from assessments.definitions import Permission
from assessments.instrument import Answerer, Definition
from assessments.models import InstrumentWording


def permissions() -> tuple[Permission, ...]:
    """Return every permission on file, run out or not: ``can_render`` looks at the day. One query."""
    return tuple(permission_of(row) for row in InstrumentWording.objects.on_file().order_by("code", "version"))


def permission_of(row: InstrumentWording) -> Permission:
    """Return a row as the licence that the registry understands. Words are handed on exactly as they were recorded."""
    items = row.wording.get("items", {})
    return Permission(
        code=row.code,
        version=row.version,
        language=row.language,
        document=row.document,
        items={item: words.get("text", "") for item, words in items.items()},
        options={item: tuple(words.get("labels", ())) for item, words in items.items() if words.get("labels")},
        instructions=row.wording.get("instructions", ""),
        until=row.ends_on,
    )


def may_be_sent(definition: Definition, held: Iterable[Permission], on: date) -> bool:
    """Return whether a patient may be asked to answer it alone: theirs to answer, and its wording may be shown that day."""
    return definition.answered_by is Answerer.PATIENT and definitions.can_render(definition, held, on=on)


def sendable(held: Iterable[Permission], on: date) -> tuple[Definition, ...]:
    """Return the newest version of every instrument that a patient may be asked to answer that day, by name."""
    held = tuple(held)
    found = (each for each in definitions.all_current() if may_be_sent(each, held, on))
    return tuple(sorted(found, key=lambda each: each.name))
