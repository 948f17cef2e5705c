"""Health facts are added, corrected, confirmed and taken back; never edited. Each of these screens the patient anew, once.

Who said so is asked; whether a prescriber did is not asked but looked up (``by_prescriber``), because it lifts what stops a dose.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assessments import plausible
from assessments.actions import clearances, flags
from assessments.medicines import MedicineClass
from assessments.models import (
    Allergy,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    Source,
    TreatmentTrial,
)
from clinic import audit, localtime
from clinic.errors import Refused, violated
from clinic.models import Membership, Role, User
from patients.models import CareTeamMember, Patient

F = TypeVar("F", bound=HealthFact)

# What every fact has; the rest of a table's columns say what the fact is.
CARRIED = frozenset(
    {"id", "patient", "at", "recorded_at", "recorded_by", "source", "by_prescriber", "note", "corrects", "correction_reason", "is_retraction"}
)  # fmt: skip
# What may not become something else by a correction: it would leave the old thing unanswered.
IDENTITY: dict[type[HealthFact], str] = {Condition: "kind", HealthStatement: "kind", Measurement: "kind"}


class FromTheFuture(Refused):
    """What is to come is no fact."""

    def __init__(self) -> None:
        super().__init__(_("This time is still to come. Enter when it was measured, or said."))


class BeforeBirth(Refused):
    """Nothing is on record from before a life."""

    def __init__(self) -> None:
        super().__init__(_("This is before the patient was born. Check the day, or the birth date on the desk’s page."))


class Backwards(Refused):
    """What is over began first."""

    def __init__(self) -> None:
        super().__init__(_("It cannot be over before it began. Check both days."))


class NotPlausible(Refused):
    """No body has this, or no list has it."""


class FarFromLast(Refused):
    """A weight from which doses are reckoned is looked at twice when it is far from the one before."""

    def __init__(self, kg: Decimal, last: Measurement, tz: Any) -> None:
        assert last.first is not None
        super().__init__(
            _("This is %(kg)s kg (%(lb)s lb); on %(when)s it was %(last_kg)s kg (%(last_lb)s lb). Check the number and the unit, or say that you looked again.")
            % {
                "kg": number_format(kg.normalize()), "lb": number_format(plausible.pounds(kg)), "last_kg": number_format(last.first.normalize()),
                "last_lb": number_format(plausible.pounds(last.first)), "when": localtime.moment_text(last.at, tz),
            }
        )  # fmt: skip


class ReasonMissing(Refused):
    """A correction says why."""

    def __init__(self) -> None:
        super().__init__(_("Say why it is corrected. The old entry stays readable beside it."))


class CorrectedAlready(Refused):
    """Only the newest entry of a chain is corrected."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has corrected this entry since. Reload the page and correct the newest one."))


class TakenBack(Refused):
    """What was taken back is entered anew."""

    def __init__(self) -> None:
        super().__init__(_("This entry was taken back. Record it anew if it holds after all."))


class AnotherThing(Refused):
    """A correction is about the same thing, of the same patient."""

    def __init__(self) -> None:
        super().__init__(_("A correction is about the same thing. Take the wrong entry back and record the other one."))


class OnRecord(Refused):
    """The same thing twice, as from a button pressed twice."""

    def __init__(self, fact: HealthFact, tz: Any) -> None:
        super().__init__(
            _("Exactly this is on record already, since %(when)s. Nothing was added.")
            % {"when": localtime.moment_text(fact.recorded_at, tz)}
        )


class NotAPrescriber(Refused):
    """Only a prescriber confirms."""

    def __init__(self) -> None:
        super().__init__(_("Only a prescriber of this patient’s care team confirms an entry. Ask one to look at it."))


class ConfirmedAlready(Refused):
    """Once is enough."""

    def __init__(self) -> None:
        super().__init__(_("A prescriber has recorded or confirmed this already."))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One fact to be written. ``values`` are the columns that say what it is; ``at`` is when it held, was measured or said."""

    model: type[HealthFact]
    values: Mapping[str, Any]
    source: str
    at: datetime
    note: str = ""
    corrects: HealthFact | None = None
    correction_reason: str = ""
    is_retraction: bool = field(default=False, repr=False)


def record_condition(*, by: User, patient: Patient, now: datetime, **said: Any) -> Condition:
    """Return the condition as recorded: ``kind``, ``state``, ``onset_on``, ``resolved_on``, ``icd10``. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=Condition, now=now, **said)


def record_diagnosis(*, by: User, patient: Patient, now: datetime, **said: Any) -> Diagnosis:
    """Return the diagnosis as recorded: ``text``, ``icd10``, ``indication``. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=Diagnosis, now=now, **said)


def record_allergy(*, by: User, patient: Patient, now: datetime, **said: Any) -> Allergy:
    """Return the allergy as recorded: ``substance``, ``agent``, ``reaction``. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=Allergy, now=now, **said)


def record_medication(*, by: User, patient: Patient, now: datetime, **said: Any) -> Medication:
    """Return the line as recorded: ``text``, ``dose``, ``taking``. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=Medication, now=now, **said)


def record_measurement(*, by: User, patient: Patient, now: datetime, **said: Any) -> Measurement:
    """Return the measurement as recorded: ``kind``, ``first``, ``second``, ``result``. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=Measurement, now=now, **said)


def record_trial(*, by: User, patient: Patient, now: datetime, **said: Any) -> TreatmentTrial:
    """Return the trial as recorded: ``treatment``, ``max_dose``, ``weeks``, and what is known of it. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=TreatmentTrial, now=now, **said)


def record_family_history(*, by: User, patient: Patient, now: datetime, **said: Any) -> FamilyHistory:
    """Return the answer as recorded: ``psychosis``, ``is_first_degree``. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=FamilyHistory, now=now, **said)


def record_statement(*, by: User, patient: Patient, now: datetime, **said: Any) -> HealthStatement:
    """Return the answer as recorded: ``kind``, ``value``. Refuses as ``record`` does."""
    return record(by=by, patient=patient, model=HealthStatement, now=now, **said)


@transaction.atomic
def record(*, by: User, patient: Patient, model: type[F], now: datetime, looked_again: bool = False, **said: Any) -> F:
    """Return the new fact. ``source`` and ``at`` are always said; ``corrects`` with ``correction_reason`` makes it a correction.

    Refuses a time to come or before birth, what no body has, a correction of anything but the newest entry of a chain about the same
    thing, a correction without a reason, exactly what is on record already, and a weight far from the one before unless the
    writer ``looked_again``.
    """
    carried = {
        name: said.pop(name) for name in ("source", "at", "note", "corrects", "correction_reason") if name in said
    }
    entry = Entry(model=model, values=said, **carried)
    row = record_together(by=by, patient=patient, entries=[entry], now=now, looked_again=looked_again)[0]
    assert isinstance(row, model)
    return row


@transaction.atomic
def record_together(
    *, by: User, patient: Patient, entries: Sequence[Entry], now: datetime, looked_again: bool = False
) -> list[HealthFact]:
    """Return the facts that somebody entered on one page, all or none; the patient is screened once. Refuses as ``record`` does."""
    patient = clearances.locked_patient(patient)
    for entry in entries:
        if entry.corrects is None and (twin := _twin(patient, entry)) is not None:
            raise OnRecord(twin, patient.home_location.tz)
        if not looked_again:
            _guard_weight(patient, entry)
    return _write(by=by, patient=patient, entries=entries, now=now)


@transaction.atomic
def record_many(*, by: User, patient: Patient, entries: Sequence[Entry], now: datetime) -> list[HealthFact]:
    """Return the new facts, in the order given; the patient is screened once, after all of them. Refuses as ``record`` does,
    except that what is on record already is said again: a patient's own answer counts even when it is the same.
    """
    if not entries:
        return []
    return _write(by=by, patient=clearances.locked_patient(patient), entries=entries, now=now)


@transaction.atomic
def retract(*, by: User, fact: HealthFact, reason: str, now: datetime) -> HealthFact:
    """Return the row that takes a fact back and puts nothing in its place. What stopped a dose stays until a prescriber does it, or
    confirms it. Refuses what was corrected or taken back already, and no reason.
    """
    return _again(by=by, fact=fact, values=_values(fact), reason=reason, is_retraction=True, now=now)


@transaction.atomic
def confirm(*, by: User, fact: HealthFact, now: datetime) -> HealthFact:
    """Return the row by which a prescriber makes a fact, or its taking back, their own. Refuses others, and a second time."""
    _guard_prescriber(by, fact.patient)
    if fact.by_prescriber:
        raise ConfirmedAlready
    reason = gettext("Confirmed by a prescriber.")
    return _again(by=by, fact=fact, values=_values(fact), reason=reason, is_retraction=fact.is_retraction, now=now)


@transaction.atomic
def confirm_medication(
    *, by: User, fact: Medication, classes: Collection[str], lorazepam_mg_a_day: Decimal | None, now: datetime
) -> HealthFact:
    """Return the line with what a prescriber says it is: classes of domain.md 1.4, none of them, and mg of lorazepam a day where one is
    a benzodiazepine. It settles the line. Refuses others, and mg without a benzodiazepine.
    """
    _guard_prescriber(by, fact.patient)
    if lorazepam_mg_a_day is not None and MedicineClass.BENZODIAZEPINES not in classes:
        raise NotPlausible(_("An amount as lorazepam belongs to a benzodiazepine. Choose that class too, or leave the amount out."))  # fmt: skip
    values = {**_values(fact), "confirmed_as": sorted(classes), "lorazepam_mg_a_day": lorazepam_mg_a_day}
    reason = gettext("Read and classed by a prescriber.")
    return _again(by=by, fact=fact, values=values, reason=reason, is_retraction=False, now=now)


def may_confirm(user: User, patient: Patient) -> bool:
    """Return whether what this person records of the patient is a prescriber's, and whether they confirm what others recorded: by the
    role at the patient's location and the care team, not by a form. An emergency opening is for reading, and a trainee's word is
    confirmed by somebody who answers for it.
    """
    team = CareTeamMember.objects.live().filter(patient=patient, user=user)
    here = Membership.objects.live().filter(
        user=user, user__is_active=True, location_id=patient.home_location_id, role=Role.PRESCRIBER, is_trainee=False
    )
    return here.filter(Exists(team)).exists()


def _guard_prescriber(by: User, patient: Patient) -> None:
    if not may_confirm(by, patient):
        raise NotAPrescriber


def _values(fact: HealthFact) -> dict[str, Any]:
    names = [one.attname for one in fact._meta.concrete_fields]
    return {name: getattr(fact, name) for name in names if name.removesuffix("_id") not in CARRIED}


def _again(
    *, by: User, fact: HealthFact, values: Mapping[str, Any], reason: str, is_retraction: bool, now: datetime
) -> HealthFact:
    """Write a fact once more on top of itself: of the same time and source, with a new reason and author."""
    entry = Entry(
        model=type(fact), values=values, source=fact.source, at=fact.at, note=fact.note, corrects=fact, correction_reason=reason,
        is_retraction=is_retraction,
    )  # fmt: skip
    return _write(by=by, patient=clearances.locked_patient(fact.patient), entries=[entry], now=now)[0]


def _twin(patient: Patient, entry: Entry) -> HealthFact | None:
    """Return the same fact of the same source if it stands; of a measurement the same number at the same time, of a question the
    same answer on the same day: some answers age, and some are asked on every day of a dose.
    """
    same = dict(entry.values) | {"source": entry.source}
    if entry.model is Measurement:
        same["at"] = entry.at
    elif entry.model is HealthStatement:
        tz = patient.home_location.tz
        same["at__gte"], same["at__lt"] = localtime.day_bounds(localtime.day_of(entry.at, tz), tz)
    rows = entry.model._default_manager.filter(patient=patient, is_retraction=False, **same)
    later = entry.model._default_manager.filter(corrects=OuterRef("pk"))
    return rows.filter(~Exists(later)).order_by("-recorded_at").first()


def _write(*, by: User, patient: Patient, entries: Sequence[Entry], now: datetime) -> list[HealthFact]:
    by_prescriber = may_confirm(by, patient)
    rows = []
    for entry in entries:
        _guard_correction(patient, entry)
        row = entry.model(  # type: ignore[misc]  # "corrects" is each table's own
            patient=patient, at=entry.at, recorded_at=now, recorded_by=by, source=entry.source, by_prescriber=by_prescriber,
            note=entry.note.strip(), corrects=entry.corrects, correction_reason=entry.correction_reason.strip(),
            is_retraction=entry.is_retraction, **entry.values,
        )  # fmt: skip
        if not entry.is_retraction:
            _guard_row(row, patient, now)
        rows.append(row)
    _insert(rows)
    _audit(by, patient, rows, now)
    flags.rescreen(by=by, patient=patient, now=now)
    return rows


def _insert(rows: Sequence[HealthFact]) -> None:
    by_model: dict[type[HealthFact], list[HealthFact]] = {}
    for row in rows:
        by_model.setdefault(type(row), []).append(row)
    try:
        with transaction.atomic():
            for model, made in by_model.items():
                model._default_manager.bulk_create(made)
    except IntegrityError as error:
        if "corrects_id" in violated(error):
            raise CorrectedAlready from error
        raise


def _guard_correction(patient: Patient, entry: Entry) -> None:
    old = entry.corrects
    if old is None:
        return
    if not entry.correction_reason.strip():
        raise ReasonMissing
    same_kind = (name := IDENTITY.get(entry.model)) is None or getattr(old, name) == entry.values.get(name)
    if type(old) is not entry.model or old.patient_id != patient.pk or not same_kind:
        raise AnotherThing
    if entry.model._default_manager.filter(corrects=old).exists():
        raise CorrectedAlready
    if old.is_retraction and not entry.is_retraction:
        raise TakenBack


def _guard_row(row: HealthFact, patient: Patient, now: datetime) -> None:
    tz = patient.home_location.tz
    if row.at > now:
        raise FromTheFuture
    days = [localtime.day_of(row.at, tz)]
    if isinstance(row, Condition):
        days += [day for day in (row.onset_on, row.resolved_on) if day is not None]
        if row.onset_on and row.resolved_on and row.resolved_on < row.onset_on:
            raise Backwards
    if max(days) > localtime.day_of(now, tz):
        raise FromTheFuture
    if min(days) < patient.birth_date:
        raise BeforeBirth
    if row.source not in Source.values:
        raise NotPlausible(_("Say who said so."))
    if isinstance(row, Measurement):
        row.first, row.second = (None if value is None else Decimal(value) for value in (row.first, row.second))
        if problem := plausible.problem_of(row.kind, row.first, row.second):
            raise NotPlausible(problem)
    if isinstance(row, Medication) and not set(row.confirmed_as or ()) <= set(MedicineClass):
        raise NotPlausible(_("Choose from the classes offered."))
    try:
        row.clean_fields(exclude=["patient", "recorded_by", "corrects"])
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        label = next(one.verbose_name for one in row._meta.concrete_fields if one.name == name)
        raise NotPlausible(f"{str(label).capitalize()}: {messages[0]}") from error


def _guard_weight(patient: Patient, entry: Entry) -> None:
    kind, kg = entry.values.get("kind"), entry.values.get("first")
    if entry.model is not Measurement or kind != Measurement.Kind.WEIGHT or kg is None:
        return
    later = Measurement._default_manager.filter(corrects=OuterRef("pk"))
    before = Measurement._default_manager.filter(patient=patient, kind=kind, is_retraction=False)
    before = before.filter(~Exists(later))
    if entry.corrects is not None:
        before = before.exclude(pk=entry.corrects.pk)
    last = cast(Measurement | None, before.order_by("-at", "-id").first())
    if last is not None and last.first is not None and plausible.is_far_from_last(Decimal(kg), last.first):
        raise FarFromLast(Decimal(kg), last, patient.home_location.tz)


def _audit(by: User, patient: Patient, rows: Sequence[HealthFact], now: datetime) -> None:
    """One line for one entry, and one for many. Which table it is names no illness; the values stay in the record."""
    if len(rows) > 1:
        facts = [f"{row._meta.model_name}:{row.pk}" for row in rows]
        audit.record(by, audit.Verb.HEALTH_RECORDED, patient, now=now, details={"facts": facts})
        return
    row = rows[0]
    verb = audit.Verb.HEALTH_CORRECTED if row.corrects_id else audit.Verb.HEALTH_RECORDED
    audit.record(by, verb, row, now=now, location_id=patient.home_location_id, details={"taken_back": True} if row.is_retraction else {})  # fmt: skip
