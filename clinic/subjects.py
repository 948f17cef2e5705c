"""The registry of what work is about. The app that owns a kind of subject says how its subjects are called.

This is how the worklist, on the ground floor, names people whose records live above it (as ``clinic.letters`` does for
the post). Each kind answers for many subjects in one query, and only for those its reader may open: what a reader may
not open has no label, and the worklist then says nothing about it and leads nowhere.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from phonenumber_field.phonenumber import PhoneNumber

from clinic.models import User, WorkItem


@dataclass(frozen=True)
class Label:
    """One subject as a line of work names it.

    ``name`` is whom it is about and ``code`` their record number, where they have one; ``about`` is what tells one
    subject of theirs from another, such as a visit's time. ``url`` is the subject's page; ``person_url`` that of the
    person, where it is another and open to the reader. ``patient_id`` is the patient whose name the reader was shown.
    ``phone`` is where they can be called, where the reader may open their page; it is shown where the work is a call.
    """

    name: str
    url: str
    code: str = ""
    about: str = ""
    person_url: str = ""
    patient_id: uuid.UUID | None = None
    phone: PhoneNumber | str = ""


# The reader, the ids wanted and the moment; returns the labels of those subjects that the reader may open.
LabelsOf = Callable[[User, set[uuid.UUID], datetime], Mapping[uuid.UUID, Label]]

_registry: dict[str, LabelsOf] = {}


def register(subject_type: str, labels_of: LabelsOf) -> None:
    """Say who names subjects of a kind. Refuses a second one for the same kind."""
    if _registry.get(subject_type, labels_of) != labels_of:
        raise ValueError(f"Two modules name what is called {subject_type}.")
    _registry[subject_type] = labels_of


def kinds() -> list[str]:
    """Return the kinds of subject that somebody names."""
    return sorted(_registry)


def labels(user: User, items: Iterable[WorkItem], now: datetime) -> dict[uuid.UUID, Label]:
    """Return the labels of what the items are about, by subject id, as far as ``user`` may open them.

    One question to each kind of subject, however many items there are.
    """
    wanted: dict[str, set[uuid.UUID]] = {}
    for item in items:
        wanted.setdefault(item.subject_type, set()).add(item.subject_id)
    found: dict[uuid.UUID, Label] = {}
    for kind in sorted(wanted.keys() & _registry.keys()):
        found.update(_registry[kind](user, wanted[kind], now))
    return found
