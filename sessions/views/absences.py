"""Somebody is ill today: who is away, what becomes of each visit that needs them, and whom to call."""

import uuid
from collections.abc import Collection
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import audit, localtime
from clinic.access import (
    GET_POST,
    POST,
    Permission,
    get_work_item_or_404,
    locations_where,
    managed_location,
    memberships_of,
    staff_view,
)
from clinic.actions import hours, worklist
from clinic.errors import Refused
from clinic.forms.hours import EnterTimeOffForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Location, Role, TimeOff, User, WorkItem
from sessions import dosegate, standins, timetable
from sessions.access import get_absence_or_404
from sessions.actions import absences, changes, placing
from sessions.actions.courses import Dropped, Moved, Planned
from sessions.actions.holds import Team
from sessions.availability import Obstacle
from sessions.forms.absences import CALL, CalledForm, ReplanForm
from sessions.forms.visits import Slot
from sessions.models import Appointment, VisitMove
from sessions.standin import Place
from sessions.standins import Line

# The visits inside are what the next page is about: nobody has to say beforehand that they know of them.
ALL_OF_THEM = 1_000_000


@staff_view(Permission.ABSENCE_REPLAN, methods=GET_POST)
def say_away(request: StaffRequest) -> HttpResponse:
    """Say that somebody is away, and go on to the visits that need them."""
    location = managed_location(request, Permission.ABSENCE_REPLAN)
    people = User.objects.working_at(location.pk).order_by("name")
    today = localtime.day_of(request.now, location.tz)
    form = EnterTimeOffForm(
        request.POST if request.method == "POST" else None, people=people,
        initial={"first": today, "last": today, "reason": TimeOff.Reason.ILLNESS},
    )  # fmt: skip
    if form.is_valid():
        values = dict(form.cleaned_data)
        try:
            time_off = hours.enter_time_off(
                by=request.user, user=values.pop("person"), location=location, now=request.now, despite=ALL_OF_THEM,
                **values,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error("last" if isinstance(refusal, hours.EndsBeforeItBegins) else None, str(refusal))
        else:
            return go(request, "sessions:absence", time_off.pk)
    here = {str(user.pk): user for user in people}
    context = {"form": form, "location": location, "away": _away_now(request, location, list(here.values()))}
    return answer(request, "sessions/say_away.html", context, status=UNPROCESSABLE if form.is_bound else 200)


def _away_now(request: StaffRequest, location: Location, people: list[User]) -> list[dict[str, Any]]:
    """Return who is away now or soon, with the page of their visits. One query."""
    rows = TimeOff.objects.filter(user__in=people, cancelled_at=None, during__endswith__gt=request.now)
    return [
        {"url": reverse("sessions:absence", args=[row.pk]), "name": row.user.name, "when": _when(row, location)}
        for row in rows.select_related("user").order_by("during")[:20]
    ]


def _when(time_off: TimeOff, location: Location) -> str:
    return localtime.stretch_text(time_off.starts_at, time_off.ends_at, location.tz)


@staff_view(Permission.ABSENCE_REPLAN, methods=GET_POST)
def absence(request: StaffRequest, time_off_id: uuid.UUID) -> HttpResponse:
    """Propose what becomes of the visits that need somebody who is away, carry out what is ticked, and list whom to call."""
    time_off, location = get_absence_or_404(request, time_off_id)
    form = ReplanForm(request.POST if request.method == "POST" else None)
    unmet: tuple[dosegate.Unmet, ...] = ()
    proposal = None if time_off.cancelled_at else standins.propose(time_off, location, request.now)
    if request.method == "POST" and form.is_valid():
        try:
            calls = _do(request, time_off, location, form, proposal.lines if proposal else [])
        except Refused as refusal:
            form.add_error(None, _sentence(refusal))
            cause = refusal.__cause__
            unmet = cause.unmet if isinstance(cause, placing.DoseNotMet) else ()
            time_off.refresh_from_db(fields=["cancelled_at"])
            proposal = None if time_off.cancelled_at else standins.propose(time_off, location, request.now)
        else:
            said = ngettext("%(n)d patient is on the calls list.", "%(n)d patients are on the calls list.", calls)
            messages.success(request, said % {"n": calls})
            return go(request, "sessions:absence", time_off.pk)
    context: dict[str, Any] = {
        "time_off": time_off, "location": location, "form": form, "unmet": unmet, "when": _when(time_off, location),
        "zone": localtime.zone_text(request.now, location.tz),
    }  # fmt: skip
    if proposal is not None:
        calls_open = _calls(request, time_off, location, [*proposal.waiting, *proposal.begun])
        called = {row["visit_id"] for row in calls_open if not row["done"]}
        ticked = set(request.POST.getlist("take")) if form.is_bound else None
        context |= {
            "begun": [_visit_row(one, location) for one in proposal.begun],
            "lines": [_row(request, one, location, called, ticked) for one in proposal.lines],
            "more": proposal.more, "elsewhere": proposal.elsewhere, "calls": calls_open,
            "to_call": sum(not row["done"] for row in calls_open),
            "may_call": any(
                held.role == Role.FRONT_DESK and held.location_id == location.pk
                for held in memberships_of(request.user)
            ),
        }  # fmt: skip
        audit.listed(
            request, "absence", sorted({one.visit.patient_id for one in proposal.lines} | {one.patient_id for one in proposal.begun} | {row["patient_id"] for row in calls_open}),
            now=request.now,
        )  # fmt: skip
    return answer(request, "sessions/absence.html", context, status=UNPROCESSABLE if form.is_bound else 200)


def _sentence(refusal: Refused) -> str:
    again = _("The proposal below was made anew.")
    if isinstance(refusal.__cause__, changes.ChangedMeanwhile):
        return f"{refusal.__cause__.message} {again}"
    return f"{refusal} {again}"


def _do(request: StaffRequest, time_off: TimeOff, location: Location, form: ReplanForm, lines: list[Line]) -> int:
    """Carry out the ticked lines as they were shown."""
    own = {line.visit.pk: line for line in lines}
    moved, undecided = [], []
    for pk, version, slot in form.cleaned_data["lines"]:
        if pk not in own:
            raise absences.NotOneOfTheirs
        line = own[pk]
        if slot is None:
            undecided.append(Dropped(line.visit, version))
            continue
        moved.append(Moved(line.visit, version, _planned(line, slot)))
    return absences.carry_out(
        by=request.user, time_off=time_off, location=location, moved=moved, undecided=undecided, now=request.now
    )


def _planned(line: Line, slot: Slot) -> Planned:
    """Return the place that a slot names; refuses people, devices or a room that this kind does not have here."""
    choices = line.choices
    people = [choices.everybody.get(pk) for pk in (slot.clinician_id, *slot.others)]
    devices = [choices.devices.get(pk) for pk in slot.devices]
    room = choices.rooms.get(slot.room_id) if slot.room_id else None
    if None in people or None in devices or (slot.room_id is not None and room is None):
        raise absences.NotOneOfTheirs
    team = Team(tuple(filter(None, people)), tuple(filter(None, devices)))
    return Planned(line.visit.visit_type, team, room, slot.starts_at)


def _visit_row(visit: Appointment, location: Location) -> dict[str, Any]:
    return {
        "url": reverse("sessions:appointment", args=[visit.pk]), "name": visit.patient.full_name,
        "type": visit.visit_type.name, "when": localtime.moment_text(visit.starts_at, location.tz),
        "look": visit.look, "word": visit.word,
    }  # fmt: skip


def _row(
    request: StaffRequest, line: Line, location: Location, called: set[uuid.UUID], ticked: set[str] | None
) -> dict[str, Any]:
    """Return one line of the proposal: what is proposed, what else could be, and why not more."""
    visit, prefix = line.visit, f"{line.visit.pk}:{line.visit.version}"
    order = sorted(range(len(line.case.places)), key=lambda at: (at != line.chosen, at))
    options = [
        (f"{prefix}:{_slot(line.case.places[at])}", _place_words(line, line.case.places[at], location)) for at in order
    ]
    decide = (f"{prefix}:{CALL}", str(_("Call and decide: leave it as it is for now")))
    options = [decide, *options] if line.chosen is None else [*options, decide]
    chosen = line.case.places[line.chosen] if line.chosen is not None else None
    typed = set(request.POST.getlist("line"))
    if chosen is None:
        word, tone = _("call and decide"), "amber"
    elif chosen.starts_at == visit.starts_at:
        word, tone = _("same time"), "green"
    else:
        word, tone = _("new time"), "violet"
    is_taken = str(visit.pk) in ticked if ticked is not None else visit.pk not in called
    return _visit_row(visit, location) | {
        "id": visit.pk, "options": [(value, label, value in typed) for value, label in options], "change": word,
        "tone": tone, "is_taken": is_taken, "is_called": visit.pk in called, "why_not": _why_not(line, chosen),
        "rest_url": reverse("sessions:plan_rest", args=[visit.pk]) if visit.course_id and chosen is None else "",
    }  # fmt: skip


def _slot(place: Place) -> Slot:
    return Slot(place.starts_at, place.people[0], place.room, place.people[1:], place.devices)


def _place_words(line: Line, place: Place, location: Location) -> str:
    """Return when, with whom and where: of a place at the visit's own time only who is new."""
    names = line.choices.everybody
    if place.starts_at == line.visit.starts_at:
        new = [names[who].name for who, was in zip(place.people, line.case.now_at.people, strict=True) if who != was]
        return _("Same time, with %(who)s") % {"who": ", ".join(dict.fromkeys(new))}
    who = ", ".join(dict.fromkeys(names[pk].name for pk in place.people))
    parts = [localtime.moment_text(place.starts_at, location.tz), who]
    return ", ".join([*parts, *([line.choices.rooms[place.room].name] if place.room else [])])


def _why_not(line: Line, chosen: Place | None) -> str:
    """Return why nobody else takes over at the visit's time, in one line; nothing where somebody does."""
    if line.is_held:
        return _("The time is only held for them until they answer.")
    if chosen is not None and chosen.starts_at == line.visit.starts_at:
        return ""
    words = {Obstacle.NOT_WORKING: _("not at work"), Obstacle.AWAY: _("away"), Obstacle.CLINICIAN_TAKEN: _("taken")}
    found = [
        f"{line.choices.everybody[who].name}: {words.get(obstacle, _('not possible'))}"
        for who, obstacle in line.why_not
    ]
    said = "; ".join(found) if found else _("Nobody else here may take over")
    if chosen is None:
        none = (
            _("The other times near are proposed to others.")
            if line.case.places
            else _("No other time in two weeks keeps what has to be kept.")
        )
        return f"{capfirst(said)}. {none}"
    return f"{capfirst(said)}."


def _calls(
    request: StaffRequest, time_off: TimeOff, location: Location, still: list[Appointment]
) -> list[dict[str, Any]]:
    """Return the calls that this absence asks for, those to be made first. Two queries, whatever their number."""
    moves = VisitMove.objects.filter(
        people_from__contains=[time_off.user_id], reason=VisitMove.Reason.CLINICIAN_AWAY, moved_at__gte=time_off.entered_at,
        starts_from__gte=time_off.starts_at - timetable.LONGEST_HOLD, starts_from__lt=time_off.ends_at,
        appointment__location=location,
    )  # fmt: skip
    last: dict[uuid.UUID, VisitMove] = {}
    for move in moves.select_related("appointment__clinician").order_by("moved_at"):
        last[move.appointment_id] = move
    keys = {*last, *(one.pk for one in still)}
    items = WorkItem.objects.filter(
        kind=WorkItem.Kind.CALL_PATIENT, subject_id__in=keys, location=location, created_at__gte=time_off.entered_at
    )
    items = items.select_related("location", "closed_by").order_by("due_at", "pk")
    visits = Appointment.objects.filter(pk__in=keys).select_related("patient", "clinician").in_bulk()
    homes = locations_where(request.user, Permission.PATIENT_READ)
    rows = [_call(item, visits[item.subject_id], last.get(item.subject_id), location, request, homes) for item in items]
    return sorted(rows, key=lambda row: row["done"])


def _call(
    item: WorkItem, visit: Appointment, move: VisitMove | None, location: Location, request: StaffRequest, homes: Collection[uuid.UUID]
) -> dict[str, Any]:  # fmt: skip
    """Return one call: to whom, at which number, what to say in neutral words, by when, and what came of it."""
    at = localtime.moment_text(visit.starts_at, location.tz)
    if visit.is_cancelled:
        said = _("The visit on %(at)s is cancelled.") % {"at": at}
    elif move is None:
        said = _("The visit on %(at)s cannot be as it was planned. Agree on what suits them.") % {"at": at}
    elif move.starts_from == visit.starts_at:
        said = _("The visit on %(at)s stays, with somebody else: %(who)s.") % {"at": at, "who": visit.clinician.name}
    else:
        was = localtime.moment_text(move.starts_from, location.tz)
        said = _("The visit on %(was)s is now on %(at)s, with %(who)s.") % {"was": was, "at": at, "who": visit.clinician.name}  # fmt: skip
    done = item.closed_at is not None
    return {
        "id": item.pk, "visit_id": visit.pk, "patient_id": visit.patient_id, "name": visit.patient.full_name,
        "phone": visit.patient.phone if visit.patient.home_location_id in homes else "",
        "url": reverse("sessions:appointment", args=[visit.pk]), "said": said, "done": done, "note": item.outcome_note,
        "due": localtime.moment_text(item.due_at, location.tz), "is_overdue": not done and item.due_at < request.now,
        "whose": item.closed_by.name if item.closed_by else Role(item.owner_role).label if item.owner_role else "",
    }  # fmt: skip


@staff_view(Permission.ABSENCE_REPLAN, methods=POST)
def say_called(request: StaffRequest, time_off_id: uuid.UUID, item_id: uuid.UUID) -> HttpResponse:
    """Say what came of a call: they were reached, or are to be called again."""
    time_off, _location = get_absence_or_404(request, time_off_id)
    item = get_work_item_or_404(request, item_id)
    form = CalledForm(request.POST)
    if not form.is_valid() or item.kind != WorkItem.Kind.CALL_PATIENT:
        messages.error(request, _("Say whether you reached them."))
        return go(request, "sessions:absence", time_off.pk)
    try:
        if form.cleaned_data["came_of_it"] == CalledForm.DONE:
            note = f"{item.outcome_note} {_('Reached.')}".strip()
            worklist.close_item(by=request.user, item=item, outcome=WorkItem.Outcome.DONE, note=note, now=request.now)
        else:
            absences.say_not_reached(by=request.user, item=item, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return go(request, "sessions:absence", time_off.pk)
