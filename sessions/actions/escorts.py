"""Who takes a patient home after a dose: asked when they come, written down with who heard it, never assumed."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import Role, User, WorkItem
from sessions.models import Appointment, EscortAnswer
from sessions.models.escorts import ASKED_WHILE, answer_of

# Whoever came without an escort waits in the room.
DECIDE_WITHIN = timedelta(minutes=15)


class NotAsked(Refused):
    """There is nothing to write down about this visit, or nothing was chosen."""


class SaidMeanwhile(Refused):
    """Somebody else has written it down since the page was drawn."""


@transaction.atomic
def say(*, by: User, appointment: Appointment, answer: str, seen: str, now: datetime) -> EscortAnswer:
    """Return the answer, written down; the one that stands when it says the same. ``seen`` is what stood on the screen: "" for not asked.

    Refuses a visit without a dose, a patient who is not here (domain.md 6: asked on the day, at check-in), no answer, and
    what somebody else wrote down meanwhile: two answers pressed at once are two people who heard different things.
    """
    visit = Appointment.objects.locked_with("patient", "visit_type", "location", "clinician").get(pk=appointment.pk)
    names = {"name": visit.patient.called}
    if answer not in EscortAnswer.Answer.values:
        raise NotAsked(_("Say whether the escort is here, comes later, or is nobody."))
    if not visit.visit_type.is_dosing:
        raise NotAsked(_("Nobody has to take %(name)s home after this visit: no dose is given.") % names)
    if visit.status not in ASKED_WHILE:
        raise NotAsked(_("Check %(name)s in first; then say who takes them home.") % names)
    standing = answer_of(visit)
    if standing is not None and standing.answer == answer:
        # Pressed twice, or two who heard the same: it stands already.
        return standing
    if standing is not None and standing.answer != seen:
        raise SaidMeanwhile(
            _("%(who)s wrote down at %(time)s: %(answer)s. Ask %(name)s again if that is not so.")
            % {
                **names, "who": standing.said_by.name, "time": localtime.clock_text(standing.said_at, visit.location.tz),
                "answer": standing.get_answer_display(),
            }
        )  # fmt: skip
    if standing is None and seen:
        raise SaidMeanwhile(_("The check-in was taken back meanwhile. Ask %(name)s again.") % names)
    said = EscortAnswer.objects.create(appointment=visit, answer=answer, said_by=by, said_at=now)
    audit.record(by, audit.Verb.APPOINTMENT_ESCORT_ASKED, visit, now=now, details={"answer": answer, "was": seen})
    if answer == EscortAnswer.Answer.NOBODY:
        # The dose is not given before somebody has found one (domain.md 11, scenario 4): whoever it is with hears of it at once.
        leads = visit.clinician if visit.clinician.is_active else None
        worklist.open_item(
            by=by, kind=WorkItem.Kind.NO_ESCORT, location=visit.location, subject_type="appointment",
            subject_id=visit.pk, patient_id=visit.patient_id, owner=leads,
            owner_role=None if leads else Role.FRONT_DESK, due_at=now + DECIDE_WITHIN, now=now,
        )  # fmt: skip
    else:
        settle(by=by, visit=visit, now=now)
    return said


def settle(*, by: User, visit: Appointment, now: datetime) -> None:
    """Close the item about a missing escort, if there is one: somebody comes, or the visit is over or not begun after all."""
    worklist.close_about(
        by=by, kind=WorkItem.Kind.NO_ESCORT, subject_id=visit.pk, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
    )
