"""Wording that the clinic holds a permission for: recorded once, complete and exact, and withdrawn.

Nothing here is a translation or a paraphrase: what was typed from the licensed form is what is shown (domain.md 2.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from assessments import definitions
from assessments.instrument import Definition, Item, Kind
from assessments.models import InstrumentWording
from clinic import audit
from clinic.errors import Refused, violated
from clinic.models import User


@dataclass(frozen=True)
class Words:
    """The complete wording as it was typed: by item id the question, and the labels of its answers in order of value."""

    items: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instructions: str = ""


class NoSuchInstrument(Refused):
    """No file defines the code and version."""

    def __init__(self) -> None:
        super().__init__(_("There is no such questionnaire. Choose one from the list."))


class NoPermissionNeeded(Refused):
    """The wording is free and comes with the product."""

    def __init__(self) -> None:
        super().__init__(_("The wording of this questionnaire is free and built in. There is nothing to record."))


class AlreadyOnFile(Refused):
    """One wording is in use at a time."""

    def __init__(self) -> None:
        super().__init__(_("There is a wording on file already. Withdraw it first; then record the new one."))


class WordsMissing(Refused):
    """A question, or one of its answers, has no words."""

    def __init__(self, number: str) -> None:
        super().__init__(
            _("Question %(number)s has no words for itself or for one of its answers. The wording is kept whole or not at all.")
            % {"number": number}
        )  # fmt: skip


class LabelTwice(Refused):
    """Two answers of one question would look the same."""

    def __init__(self, number: str) -> None:
        super().__init__(
            _("Two answers of question %(number)s have the same words. Compare them with the form.")
            % {"number": number}
        )


class PermissionOver(Refused):
    """The permission has ended, or was given on a day to come."""

    def __init__(self) -> None:
        super().__init__(_("This permission has ended, or begins on a day to come. Enter one that holds today."))


class AlreadyWithdrawn(Refused):
    """Somebody withdrew it first."""

    def __init__(self) -> None:
        super().__init__(_("This wording has been withdrawn already. Reload the page to see how things stand."))


@transaction.atomic
def record_wording(
    *,
    by: User,
    code: str,
    version: int,
    words: Words,
    holder: str,
    document: str,
    granted_on: date,
    ends_on: date | None,
    today: date,
    now: datetime,
) -> InstrumentWording:
    """Return the wording on file from now on. ``today`` is the day at the place of whoever records it.

    One that has run out makes room for it. Refuses an instrument that needs none, a permission that does not hold today,
    a question or answer without words, two answers of one question in the same words, and a second one on file.
    """
    definition = _definition(code, version)
    if definitions.can_render(definition):
        raise NoPermissionNeeded
    if granted_on > today or (ends_on is not None and ends_on < today):
        raise PermissionOver
    kept = {item.id: _words_of(item, words) for item in definition.items}
    old = InstrumentWording.objects.on_file().select_for_update(no_key=True).filter(code=code, version=version).first()
    if old is not None:
        if not old.has_ended(today):
            raise AlreadyOnFile
        _withdraw(by=by, row=old, now=now)
    row = InstrumentWording(
        code=code, version=version, language=definition.language, holder=holder, document=document,
        granted_on=granted_on, ends_on=ends_on, recorded_by=by, recorded_at=now,
        wording={"instructions": words.instructions, "stem": "", "items": kept},
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if violated(error) == "instrument_wording_once":
            raise AlreadyOnFile from error
        raise
    audit.record(
        by, audit.Verb.INSTRUMENT_WORDING_CHANGED, row, now=now,
        details={"change": "recorded", "code": code, "version": version},
    )  # fmt: skip
    return row


@transaction.atomic
def withdraw_wording(*, by: User, wording: InstrumentWording, now: datetime) -> InstrumentWording:
    """Return the wording, withdrawn: from now on it is shown to nobody. Refuses one that was withdrawn before."""
    row = InstrumentWording.objects.select_for_update(no_key=True).get(pk=wording.pk)
    if row.withdrawn_at is not None:
        raise AlreadyWithdrawn
    return _withdraw(by=by, row=row, now=now)


def _withdraw(*, by: User, row: InstrumentWording, now: datetime) -> InstrumentWording:
    row.withdrawn_by, row.withdrawn_at = by, now
    row.save(update_fields=["withdrawn_by", "withdrawn_at"])
    audit.record(
        by, audit.Verb.INSTRUMENT_WORDING_CHANGED, row, now=now,
        details={"change": "withdrawn", "code": row.code, "version": row.version},
    )  # fmt: skip
    return row


def _definition(code: str, version: int) -> Definition:
    try:
        return definitions.get(code, version)
    except definitions.UnknownInstrument:
        raise NoSuchInstrument from None


def _words_of(item: Item, words: Words) -> dict[str, Any]:
    text = words.items.get(item.id, "")
    labels = words.labels.get(item.id, ())
    if not text.strip():
        raise WordsMissing(item.number)
    if item.kind is not Kind.CHOICE:
        return {"text": text}
    if len(labels) != len(item.options) or not all(label.strip() for label in labels):
        raise WordsMissing(item.number)
    if len({" ".join(label.split()).casefold() for label in labels}) < len(labels):
        raise LabelTwice(item.number)
    return {"text": text, "labels": list(labels)}
