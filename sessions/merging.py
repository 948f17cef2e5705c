"""What may be merged, and what two records of one person hold. It reads and decides; sessions/actions/merges.py writes.

Every column of every floor that points at a patient is found by asking the models, and is one of three kinds. What nobody
has thought about, such as the table of a new feature, is held: a record that has rows there is never merged away.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Count, Exists, ForeignKey, IntegerField, Model, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import localtime
from patients.actions.patients import Identity
from patients.models import AddressChange, ContactPreference, Patient, ReferringClinician
from sessions.models import Appointment, VisitRequest, WaitlistEntry

# Goes over to the record that stands for both, row by row, and back when the merge is taken apart.
MOVED = frozenset(
    {
        "clinic_sessions.Appointment.patient",
        "clinic_sessions.Course.patient",
        "patients.Contact.patient",
        "patients.ContactPreference.patient",
        "patients.Referral.patient",
        "patients.ReferringClinician.patient",
    }
)
# Stays with the record it was written for, and does no harm there: the history of the row itself, who might open which
# chart (nobody's access to a chart may widen by a merge), invitations and wishes that are over, and the merges.
STAYS = frozenset(
    {
        "clinic_sessions.Merge.loser",
        "clinic_sessions.Merge.survivor",
        "clinic_sessions.VisitRequest.patient",
        "clinic_sessions.WaitlistEntry.patient",
        "patients.AddressChange.patient",
        "patients.BreakGlass.patient",
        "patients.CareTeamMember.patient",
        "patients.ContactEvent.patient",
        "patients.KnownApart.other",
        "patients.KnownApart.patient",
        "patients.Patient.merged_into",
        "patients.PatientEvent.pgh_obj",
        "patients.PortalInvitation.patient",
        "patients.ReferringClinicianEvent.patient",
    }
)
# How the desk calls what a record has. Nothing here says what is in it; what has no word of its own is its clinical record.
_WORDS: dict[str, Any] = {
    "clinic_sessions.Appointment.patient": gettext_lazy("visits"),
    "clinic_sessions.Course.patient": gettext_lazy("courses"),
    "clinic_sessions.VisitRequest.patient": gettext_lazy("requests for a visit"),
    "clinic_sessions.WaitlistEntry.patient": gettext_lazy("wishes on the waitlist"),
    "patients.Consent.patient": gettext_lazy("consents"),
    "patients.Contact.patient": gettext_lazy("contacts"),
    "patients.ContactPreference.patient": gettext_lazy("answers about letters"),
    "patients.Referral.patient": gettext_lazy("enquiries"),
    "patients.ReferringClinician.patient": gettext_lazy("who sent them"),
    "patients.CareTeamMember.patient": gettext_lazy("care team"),
    "assessments.AssessmentRequest.patient": gettext_lazy("questionnaires"),
    "assessments.AssessmentResponse.patient": gettext_lazy("questionnaires"),
    "assessments.KioskPass.patient": gettext_lazy("questionnaires"),
    "assessments.Packet.patient": gettext_lazy("intake packets"),
}
_CLINICAL = gettext_lazy("entries of the clinical record")

_Status = Appointment.Status
HERE = frozenset({_Status.CHECKED_IN, _Status.IN_PROGRESS})


# What says nothing: nobody asked, or nobody wrote it down.
_NOTHING = ("", None, Patient.Sex.UNKNOWN)
# One address is chosen as a whole or part by part, and never put together of two by itself.
_ADDRESS = ("street", "city", "state", "postcode")


def only_one_says(one: Identity, other: Identity, name: str) -> int | None:
    """Return which of two who differ in a fact says anything: 0 or 1. None where they contradict each other and somebody chooses."""
    parts = _ADDRESS if name in _ADDRESS else (name,)
    says = [any(getattr(identity, part) not in _NOTHING for part in parts) for identity in (one, other)]
    return None if all(says) else says.index(True)


@dataclass(frozen=True)
class Pointer:
    """One column that points at a patient."""

    model: type[Model]
    name: str

    @property
    def key(self) -> str:
        return f"{self.model._meta.label}.{self.name}"

    @property
    def moves(self) -> bool:
        return self.key in MOVED

    @property
    def holds(self) -> bool:
        """Return whether a record with rows here is not merged away. So it is with every column that is not named above."""
        return self.key not in MOVED | STAYS

    @property
    def words(self) -> str:
        return str(_WORDS.get(self.key, _CLINICAL))


def pointers() -> Iterator[Pointer]:
    """Return every column of the house that points at a patient, in a steady order."""
    for model in sorted(apps.get_models(), key=lambda model: model._meta.label):
        for one in model._meta.concrete_fields:
            if isinstance(one, ForeignKey) and one.related_model is Patient:
                yield Pointer(model, one.name)


def counts(patients: Iterable[Patient]) -> dict[Any, dict[str, int]]:
    """Return how many rows each column holds for each of the patients, by its key. One query."""
    found = list(pointers())
    columns = {f"n{number}": _count(pointer) for number, pointer in enumerate(found)}
    rows: Iterable[Any] = Patient.objects.filter(pk__in=[patient.pk for patient in patients]).values("pk", **columns)
    return {row["pk"]: {one.key: row[f"n{number}"] for number, one in enumerate(found)} for row in rows}


def _count(pointer: Pointer) -> Coalesce:
    rows = pointer.model._base_manager.filter(**{pointer.name: OuterRef("pk")}).order_by()
    counted = rows.annotate(one=Value(1)).values("one").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def told(counted: dict[str, int]) -> dict[str, int]:
    """Return the counts as they are shown, by word: what is the row's own history is left out."""
    shown: dict[str, int] = {}
    for pointer in pointers():
        if pointer.key in STAYS and pointer.key not in _WORDS:
            continue
        shown[pointer.words] = shown.get(pointer.words, 0) + counted[pointer.key]
    return shown


def obstacles(*, survivor: Patient, loser: Patient, counted: dict[str, int]) -> list[str]:
    """Return why ``loser`` may not be merged into ``survivor`` now, each with what to do about it; none when it may.

    ``counted`` is what the loser has. The action asks this under the locks of both.
    """
    said: list[str] = []
    names = {"loser": loser.mrn, "survivor": survivor.mrn}
    for one in (survivor, loser):
        if one.is_merged:
            said.append(_("%(mrn)s was merged into another record already. Open that one.") % {"mrn": one.mrn})
    if survivor.is_deceased != loser.is_deceased:
        said.append(_("One of the two is recorded as deceased and the other is not. Find out which is true, and correct that record first."))  # fmt: skip
    if held := sorted({one.words for one in pointers() if one.holds and counted[one.key]}):
        said.append(
            _("%(loser)s holds %(what)s. What was written and signed there stays as it was written, so that record has to be the one that stays.")
            % {**names, "what": ", ".join(held)}
        )  # fmt: skip
    if counted["patients.Patient.merged_into"]:
        said.append(_("Another record was merged into %(loser)s. Take that merge apart first, or keep %(loser)s.") % names)  # fmt: skip
    if survivor.portal_user_id and loser.has_portal:
        said.append(_("Both sign in to the portal. Ask the patient which address they read, and close the portal of %(loser)s first, or keep %(loser)s.") % names)  # fmt: skip
    if AddressChange.objects.open().filter(patient=loser).exists():
        said.append(_("The patient of %(loser)s asks to be reached elsewhere. Answer that first.") % names)
    if VisitRequest.objects.open().filter(patient=loser).exists():
        said.append(_("%(loser)s asks for a visit on the portal. Answer that first.") % names)
    if WaitlistEntry.objects.waiting().filter(patient=loser).exists():
        said.append(_("%(loser)s is on the waitlist. Take that wish back, and put %(survivor)s on the list where they still wait.") % names)  # fmt: skip
    if _disagree(survivor, loser):
        said.append(_("The two records disagree about what may be sent. Ask the patient, and write the same answer into both first."))  # fmt: skip
    return [*said, *_visits_in_the_way(survivor, loser)]


def _disagree(survivor: Patient, loser: Patient) -> bool:
    theirs = dict[tuple[str, str], set[bool]]()
    for row in ContactPreference.objects.current().filter(patient__in=[survivor, loser]):
        theirs.setdefault((row.category, row.channel), set()).add(row.is_allowed)
    return any(len(answers) > 1 for answers in theirs.values())


def _visits_in_the_way(survivor: Patient, loser: Patient) -> list[str]:
    """Return what visits stand against it: one under way, one still to come of the loser's, and two at one time."""
    said = []
    rows = Appointment.objects.filter(patient__in=[survivor, loser]).select_related("location", "patient")
    under_way = rows.filter(status__in=HERE).order_by("starts_at", "id").first()
    if under_way is not None:
        said.append(_("The visit of %(when)s (%(mrn)s) is under way. Wait until it is over.") % _named(under_way))
    to_come = rows.filter(patient=loser, status__in=Appointment.EXPECTED - HERE).order_by("starts_at", "id").first()
    if to_come is not None:
        said.append(
            _("The visit of %(when)s (%(mrn)s) is still to come, or nobody said what became of it. Settle it, or book it for %(other)s and cancel it, so that reminders and reservations go to one person.")
            % {**_named(to_come), "other": survivor.mrn}
        )  # fmt: skip
    # Of two people's visits some dozens at most; one query, however many.
    live = list(rows.live().order_by("starts_at", "id"))
    for visit in (one for one in live if one.patient_id == loser.pk):
        for other in (one for one in live if one.patient_id == survivor.pk):
            if visit.starts_at < other.ends_at and other.starts_at < visit.ends_at:
                named = _named(other)
                said.append(
                    _("The visits of %(when)s (%(mrn)s) and of %(other_when)s (%(other)s) overlap. Nobody is in two places at once: these may be two people.")
                    % {**_named(visit), "other_when": named["when"], "other": named["mrn"]}
                )  # fmt: skip
    return said


def _named(visit: Appointment) -> dict[str, str]:
    return {"when": localtime.moment_text(visit.starts_at, visit.location.tz), "mrn": visit.patient.mrn}


def rows_to_move(pointer: Pointer, *, survivor: Patient, loser: Patient) -> Any:
    """Return the rows of a moving column that go over. An answer about letters goes where the survivor gave none, and so who sent them."""
    rows = pointer.model._base_manager.filter(**{pointer.name: loser})
    if pointer.model is ContactPreference:
        given = ContactPreference.objects.current().filter(
            patient=survivor, category=OuterRef("category"), channel=OuterRef("channel")
        )
        rows = rows.filter(~Exists(given), ended_at=None)
    if pointer.model is ReferringClinician and ReferringClinician.objects.current().filter(patient=survivor).exists():
        rows = rows.exclude(ended_at=None)
    return rows.order_by("pk")
