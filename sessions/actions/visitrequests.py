"""Requests: a patient asks on the portal for a visit, and a person answers: by booking one, or with a sentence why not.

Everything locks the patient first, as booking does, so that a request is met, declined or taken back once.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, businessdays
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import Membership, OutboundMessage, Role, User, WorkItem
from patients.actions import crisis
from patients.models import LifeState, Patient
from sessions.models import INTAKE, Appointment, VisitRequest, VisitType

# Asked for at the same time; then it is quicker to phone, and the desk reads no more of them.
MOST_OPEN = 3
# The letter that says there is an answer.
ANSWERED = "request_answered"
# A kind held from afar is the same visit, held otherwise.
FROM_AFAR = "_remote"

Status = VisitRequest.Status


class NotAskedFor(Refused):
    """Nobody asks for this kind of visit on the portal, or not with that person."""


class AskedAlready(Refused):
    """There is an unanswered request, for this kind or too many in all."""


class AlreadyAnswered(Refused):
    """The request was met, declined or taken back meanwhile."""


@dataclass(frozen=True)
class Wanted:
    """What a patient asks for. Nobody and nothing chosen is anybody and any."""

    visit_type: VisitType
    clinician: User | None = None
    weekdays: tuple[int, ...] = ()
    day_parts: tuple[str, ...] = ()
    message: str = ""


def kinds() -> list[VisitType]:
    """Return the kinds that a patient can ask for: what anybody books, without a dose. An intake comes from an enquiry."""
    asked = VisitType.objects.current().filter(bookers=VisitType.Bookers.ANYBODY, is_dosing=False).exclude(code=INTAKE)
    return list(asked.order_by("id"))


def people(patient: Patient) -> list[User]:
    """Return with whom a patient can ask for a visit: whoever has seen them and sees patients at their location."""
    roles = {role for kind in kinds() for role in kind.shape.lead.roles}
    members = Membership.objects.live().filter(location=patient.home_location, role__in=roles, user__is_active=True)
    seen = Appointment.objects.filter(patient=patient).values("clinician_id")
    return list(User.objects.filter(pk__in=members.values("user_id")).filter(pk__in=seen).order_by("name", "id"))


@transaction.atomic
def ask(*, by: User, patient: Patient, wanted: Wanted, now: datetime) -> VisitRequest:
    """Return the request, with an item for the desk of the patient's location, due by the end of the next business day.

    Refuses a patient out of care, a kind that is not asked for here, somebody who does not hold its role, a second request for one
    kind, and more than three at a time.
    """
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    location = patient.home_location
    phone = {"phone": location.phone}
    if patient.life_state in {LifeState.DISCHARGED, LifeState.DECEASED}:
        raise NotAskedFor(_("Please phone us to arrange a visit: %(phone)s.") % phone)
    if wanted.visit_type.code not in {one.code for one in kinds()}:
        raise NotAskedFor(_("This kind of visit is arranged by phone: %(phone)s.") % phone)
    if wanted.clinician is not None and not _leads(wanted.visit_type, wanted.clinician, patient):
        raise NotAskedFor(
            _("%(name)s is not who this kind of visit is with. Choose somebody else, or anybody.")
            % {"name": wanted.clinician.name}
        )
    waiting = list(VisitRequest.objects.open().filter(patient=patient).values_list("visit_type_code", flat=True))
    if wanted.visit_type.code in waiting:
        raise AskedAlready(_("You have asked for this already. We will answer; there is nothing more to do."))
    if len(waiting) >= MOST_OPEN:
        raise AskedAlready(
            _(
                "You have asked for several visits already, and we will answer each. For more please phone us: %(phone)s."
            )
            % phone
        )
    request = VisitRequest.objects.create(
        patient=patient, location=location, visit_type_code=wanted.visit_type.code, clinician=wanted.clinician,
        weekdays=sorted(wanted.weekdays), day_parts=list(wanted.day_parts), message=wanted.message, asked_by=by,
        asked_at=now,
    )  # fmt: skip
    worklist.open_item(
        by=by, kind=WorkItem.Kind.VISIT_REQUEST, location=location, owner_role=Role.FRONT_DESK,
        subject_type=VisitRequest._meta.model_name or "", subject_id=request.pk, patient_id=patient.pk,
        due_at=businessdays.end_of_next(location=location, now=now), now=now,
    )  # fmt: skip
    audit.record(by, audit.Verb.VISIT_REQUESTED, request, now=now, details={"visit_type": request.visit_type_code})
    crisis.review(
        by=by, text=wanted.message, location=location, subject_type=VisitRequest._meta.model_name or "",
        subject_id=request.pk, patient=patient, now=now,
    )  # fmt: skip
    return request


def _leads(visit_type: VisitType, clinician: User, patient: Patient) -> bool:
    roles = visit_type.shape.lead.roles
    here = Membership.objects.live().filter(user=clinician, location=patient.home_location, role__in=roles)
    return clinician.is_active and here.exists()


@transaction.atomic
def decline(*, by: User, request: VisitRequest, answer: str, now: datetime) -> VisitRequest:
    """Return the request, declined with a sentence that the patient reads on the portal; a letter tells them that there is one.

    Refuses one that was met, declined or taken back meanwhile. One that can be met is met by booking the visit.
    """
    found = _locked(request)
    if not found.is_open:
        raise AlreadyAnswered(
            _("This is no longer open: it is %(state)s. Open the patient’s page to see their visits.")
            % {"state": found.get_status_display()}
        )
    _close(by=by, request=found, status=Status.DECLINED, outcome=WorkItem.Outcome.REFUSED, answer=answer, now=now)
    patient = found.patient
    if patient.gets_letters and patient.email:
        outbox.queue(
            by=by, kind=ANSWERED, subject_type=VisitRequest._meta.model_name or "", subject_id=found.pk,
            schedule_version=1, location_id=found.location_id, useful_until=None, now=now,
            to=outbox.Recipient(
                kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=patient.email, tz=patient.tz,
                language=patient.letter_language,
            ),
        )  # fmt: skip
    elif patient.gets_letters:
        call_instead(by=by, request=found, now=now)
    return found


def call_instead(*, by: User, request: VisitRequest, now: datetime) -> WorkItem:
    """Return the item that has somebody phone a patient whom no letter can tell of the answer."""
    return worklist.open_item(
        by=by, kind=WorkItem.Kind.CALL_PATIENT, location=request.location, owner_role=Role.FRONT_DESK,
        subject_type=VisitRequest._meta.model_name or "", subject_id=request.pk, patient_id=request.patient_id,
        due_at=businessdays.end_of_next(location=request.location, now=now), now=now,
    )  # fmt: skip


@transaction.atomic
def withdraw(*, by: User, request: VisitRequest, now: datetime) -> VisitRequest:
    """Return the request, taken back by the patient and off the desk's list. Twice is once; refuses one that was answered."""
    found = _locked(request)
    if found.status == Status.WITHDRAWN:
        return found
    if not found.is_open:
        raise AlreadyAnswered(
            _("We answered this before you took it back. See your visits, or phone us: %(phone)s.")
            % {"phone": found.location.phone}
        )
    return _close(by=by, request=found, status=Status.WITHDRAWN, outcome=WorkItem.Outcome.NOT_NEEDED, now=now)


def settle(*, by: User, appointment: Appointment, now: datetime) -> None:
    """A visit was booked, its patient's row being locked: the open request for its kind, here or from afar, is met."""
    code = appointment.visit_type.code.removesuffix(FROM_AFAR)
    request = (
        VisitRequest.objects.open()
        .filter(patient=appointment.patient_id, visit_type_code__in=[code, code + FROM_AFAR])
        .order_by("asked_at")
        .first()
    )
    if request is not None:
        request.appointment = appointment
        _close(by=by, request=request, status=Status.MET, outcome=WorkItem.Outcome.DONE, now=now)


def _locked(request: VisitRequest) -> VisitRequest:
    """Return the request as it is now, its patient's row locked before its own."""
    patient = Patient.objects.select_for_update(no_key=True).get(pk=request.patient_id)
    found = (
        VisitRequest.objects.select_for_update(no_key=True, of=("self",)).select_related("location").get(pk=request.pk)
    )
    found.patient = patient
    return found


def _close(
    *, by: User, request: VisitRequest, status: Status, outcome: WorkItem.Outcome, now: datetime, answer: str = ""
) -> VisitRequest:
    request.status, request.answer, request.answered_by, request.answered_at = status, answer, by, now
    request.save(update_fields=["status", "answer", "answered_by", "answered_at", "appointment"])
    worklist.close_about(by=by, kind=WorkItem.Kind.VISIT_REQUEST, subject_id=request.pk, outcome=outcome, now=now)
    audit.record(by, audit.Verb.VISIT_REQUEST_SETTLED, request, now=now, details={"status": status})
    return request
