"""Before a visit is moved: what the move would do, in words. The move itself is ``visits.reschedule``."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import letters, localtime
from clinic.access import CLINICIANS, Permission, staff_view
from clinic.errors import Refused
from clinic.http import StaffRequest, answer
from clinic.models import Room, User
from sessions import presence, timetable
from sessions.access import get_appointment_or_404
from sessions.actions import changes, reminders
from sessions.actions.holds import Team, team_of
from sessions.forms.visits import MoveToForm, RescheduleForm, Slot
from sessions.models import Appointment, Block, ChangeRequest
from sessions.views import openings, story


class NowhereToMove(Refused):
    """The address names no time, person or room that there is."""

    def __init__(self) -> None:
        super().__init__(_("Choose a time from the list."))


@staff_view(Permission.APPOINTMENT_BOOK)
def confirm_move(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Say what a move would change, what moves along, who is told, and what stands in the way. Changes nothing."""
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
    to = MoveToForm(request.GET)
    to.is_valid()
    seen, back = to.cleaned_data.get("version") or visit.version, to.cleaned_data.get("back") or ""
    form = RescheduleForm(initial={"version": visit.version, "back": back})
    context = _common(visit, form)
    if seen != visit.version:
        context["faster"] = changes.ChangedMeanwhile(visit)
        context["changed"] = story.changed_since(context["faster"], seen)
    try:
        starts_at, team, room = _wanted(visit, to)
        context["will"] = _place_words(visit, starts_at, team.clinician, room)
        context |= _consequences(request, visit, starts_at, team, room)
    except Refused as refusal:
        choices = timetable.choices(visit.location, visit.visit_type)
        context |= {
            "refusal": refusal,
            "unmet": getattr(refusal, "unmet", ()),
            "alternatives": openings.alternatives_of(refusal, choices, visit.location.tz),
        }
    if context.get("has_wish"):
        form.initial["why"] = RescheduleForm.ASKED
    return answer(request, "sessions/confirm_move.html", context, part="confirm")


def ask(
    request: StaffRequest, visit: Appointment, form: RescheduleForm, starts_at: datetime, team: Team, room: Room | None
) -> HttpResponse:
    """Return the same page for what was chosen from the list of openings, with what was typed there.

    Refuses what the move itself would refuse, and a visit that somebody changed meanwhile.
    """
    if form.cleaned_data["version"] != visit.version:
        raise changes.ChangedMeanwhile(visit)
    context = _common(visit, form) | _consequences(request, visit, starts_at, team, room)
    context["will"] = _place_words(visit, starts_at, team.clinician, room)
    return answer(request, "sessions/confirm_move.html", context)


def _common(visit: Appointment, form: RescheduleForm) -> dict[str, Any]:
    back = str(form["back"].value() or "")
    day = localtime.day_of(visit.starts_at, visit.location.tz)
    return {
        "visit": visit,
        "form": form,
        "was": _place_words(visit, visit.starts_at, visit.clinician, visit.room),
        "back": back,
        "back_url": reverse("sessions:schedule", args=[day])
        if back
        else reverse("sessions:appointment", args=[visit.pk]),
        "find_url": reverse("sessions:reschedule", args=[visit.pk]),
        "version": visit.version,
    }


def _wanted(visit: Appointment, form: MoveToForm) -> tuple[datetime, Team, Room | None]:
    """Return the moment, the team and the room that are asked for. Refuses (NowhereToMove) what does not exist here."""
    values, tz = form.cleaned_data, visit.location.tz
    if slot := values.get("slot"):
        place = openings.place_of(form, timetable.choices(visit.location, visit.visit_type))
        if place is None:
            raise NowhereToMove
        return slot.starts_at, place[1], place[2]
    local = values.get("at")
    if local is None:
        raise NowhereToMove
    team, room = team_of(visit), visit.room
    if values.get("clinician"):
        who = User.objects.working_at(visit.location.pk, *CLINICIANS).filter(pk=values["clinician"]).first()
        if who is None:
            raise NowhereToMove
        # Whoever takes over from somebody who has a further duty takes over that one alone.
        team = Team((who, *team.others), team.devices)
    if values.get("room"):
        room = Room.objects.in_use().filter(location=visit.location, pk=values["room"]).first()
        if room is None:
            raise NowhereToMove
    return localtime.at(local.date(), local.time(), tz), team, room


def _place_words(visit: Appointment, starts_at: datetime, who: User, room: Room | None) -> dict[str, str]:
    tz = visit.location.tz
    return {
        "when": localtime.moment_text(starts_at, tz),
        "until": localtime.clock_text(starts_at + visit.visit_type.duration, tz),
        "who": who.name,
        "room": room.name if room else "",
    }


def _consequences(
    request: StaffRequest, visit: Appointment, starts_at: datetime, team: Team, room: Room | None
) -> dict[str, Any]:
    """Return what a move would bring: the parts, what is held, the letters, the wish it answers. Refuses what the move would."""
    refusal = changes.foresee(
        by=request.user, appointment=visit, team=team, room=room, starts_at=starts_at, now=request.now
    )
    if refusal is not None:
        raise refusal
    tz, is_new_time = visit.location.tz, starts_at != visit.starts_at
    tail = visit.visit_type.room_tail if room else timedelta(0)
    told = reminders.foresee_move(visit=visit, starts_at=starts_at, now=request.now) if is_new_time else []
    going = [one for one in told if not one.reason]
    return {
        "slot": str(
            Slot(starts_at, team.clinician.pk, room.pk if room else None, tuple(w.pk for w in team.others),
                 tuple(d.pk for d in team.devices))
        ),
        "is_new_time": is_new_time,
        "parts": _parts(visit, starts_at, team),
        "devices": ", ".join(device.name for device in team.devices),
        "free_from": localtime.clock_text(starts_at + visit.visit_type.duration + tail, tz) if tail else "",
        "letters": [
            {
                "title": letters.label_of(one.kind),
                "how": one.channel.label,
                "when": _("now") if one.at <= request.now else localtime.moment_text(one.at, visit.patient.tz),
            }
            for one in going
        ],
        "is_called": any(one.is_called for one in told) or (is_new_time and not going),
        "withdrawn": is_new_time,
        "was_confirmed": is_new_time and visit.is_still_confirmed,
        "has_wish": ChangeRequest.objects.filter(appointment=visit, status=ChangeRequest.Status.OPEN).exists(),
        "of_course": is_new_time and visit.course_id is not None,
    }  # fmt: skip


def _parts(visit: Appointment, starts_at: datetime, team: Team) -> list[dict[str, str]]:
    """Return the parts of a visit of several at its new time, with who is there in each."""
    shape, tz = visit.visit_type.shape, visit.location.tz
    if not shape.others:
        return []
    found = []
    for part in shape.parts:
        begins, ends = timedelta(minutes=part.starts), timedelta(minutes=part.ends)
        people = [
            (who.name, str(Block.Duty(seat.duty).label))
            for who, seat in zip(team.people, shape.seats, strict=True)
            if any(one.starts < ends and begins < one.ends for one in seat.stretches)
        ]
        found.append(
            {
                "name": str(capfirst(Block.Kind(part.kind).label)),
                "from": localtime.clock_text(starts_at + begins, tz),
                "to": localtime.clock_text(starts_at + ends, tz),
                "who": presence.named(people),
            }
        )
    return found
