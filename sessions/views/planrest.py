"""The rest of a course, planned anew around one of its visits that moved, fell out or was missed: one proposal, taken whole."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import localtime
from clinic.access import GET_POST, Permission, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from sessions import availability, courserest, dosegate
from sessions.access import get_appointment_or_404
from sessions.actions import changes, courses, placing
from sessions.actions.courses import Dropped, Moved, Planned
from sessions.availability import Opening, Span
from sessions.courserest import Laid, Left
from sessions.forms.courses import PlanRestForm
from sessions.forms.visits import Slot
from sessions.models import DOSING, INTEGRATION, Appointment, Course
from sessions.views.courses import ROOM_FOR_DELAY, Kinds, apart, kinds_of, one_a_start, openings_of

PAGE = "sessions/plan_rest.html"
# Other times that are offered beside the proposed one.
OTHER_TIMES = 3


@dataclass(frozen=True)
class Rest:
    """The visits of a course as they are: each dose with its talk, None where one has to be booked anew, and talks without a dose."""

    pairs: list[tuple[Appointment | None, Appointment | None]]
    left_over: list[Appointment]

    @property
    def visits(self) -> list[Appointment]:
        return [*(one for pair in self.pairs for one in pair if one is not None), *self.left_over]


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def plan_rest(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Propose what becomes of the rest of a course around one of its visits, and do all of it or nothing.

    ``?to=`` names the time that the visit itself is to have, when it cannot be moved there alone; ``?only=1`` books nothing again in
    place of what fell out.
    """
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
    kinds = kinds_of(visit.location)
    status = UNPROCESSABLE if request.method == "POST" else 200
    if visit.course is None or kinds is None:
        return answer(request, PAGE, {"visit": visit, "no_course": True}, status=status)
    course = visit.course
    form = PlanRestForm(request.POST or None)
    unmet: tuple[dosegate.Unmet, ...] = ()
    if request.method == "POST" and form.is_valid():
        try:
            done = _do(request, course, kinds, form)
        except Refused as refusal:
            form.add_error(None, _sentence(refusal))
            cause = refusal.__cause__
            unmet = cause.unmet if isinstance(cause, placing.DoseNotMet) else ()
        else:
            messages.success(request, done)
            return go(request, "sessions:patient_visits", visit.patient_id)
    context = {"visit": visit, "form": form, "unmet": unmet, "said": changes.said(visit)}
    return answer(request, PAGE, context | _proposal(request, visit, course, kinds), status=status)


def _sentence(refusal: Refused) -> str:
    """Return the refusal, with what the reader sees below it."""
    if isinstance(refusal, changes.ChangedMeanwhile):
        return _(
            "Somebody changed a visit of this course meanwhile, so nothing was booked. The plan below was made anew."
        )
    return f"{refusal} {_('The plan below was made anew.')}"


class NotOfThisCourse(Refused):
    """The plan names a visit, somebody or something that this course does not have."""

    def __init__(self) -> None:
        super().__init__(_("Somebody or something in this plan is not here any more."))


def _do(request: StaffRequest, course: Course, kinds: Kinds, form: PlanRestForm) -> str:
    """Carry the plan out as it was shown, and return what was done."""
    own = {visit.pk: visit for visit in _visits_of(course)}

    def place_of(code: str, slot: Slot) -> Planned:
        kind = {DOSING: kinds.dose, INTEGRATION: kinds.talk}[code]
        if (planned := kinds.planned(kind, slot)) is None:
            raise NotOfThisCourse
        return planned

    def visit_of(pk: uuid.UUID) -> Appointment:
        if pk not in own:
            raise NotOfThisCourse
        return own[pk]

    moved = [
        Moved(visit_of(pk), version, place_of(_code_of(visit_of(pk)), slot))
        for pk, version, slot in form.cleaned_data["move"]
    ]  # fmt: skip
    added = [place_of(code, slot) for code, slot in form.cleaned_data["add"]]
    dropped = [Dropped(visit_of(pk), version) for pk, version in form.cleaned_data["drop"]]
    courses.plan_rest(
        by=request.user, course=course, moved=moved, added=added, dropped=dropped,
        told_by_phone=form.cleaned_data["told"], now=request.now,
    )  # fmt: skip
    parts = [
        ngettext("%(n)d visit moved", "%(n)d visits moved", len(moved)) % {"n": len(moved)} if moved else "",
        ngettext("%(n)d visit booked", "%(n)d visits booked", len(added)) % {"n": len(added)} if added else "",
        ngettext("%(n)d visit cancelled", "%(n)d visits cancelled", len(dropped)) % {"n": len(dropped)} if dropped else "",
    ]  # fmt: skip
    return _("The course is planned anew: %(what)s.") % {"what": ", ".join(filter(None, parts))}


def _visits_of(course: Course) -> list[Appointment]:
    """Return the visits of a course that take up their time, in order. One query."""
    live = Appointment.objects.live().filter(course=course).order_by("starts_at", "id")
    return list(live.select_related("location", "patient", "visit_type", "clinician", "room"))


def _code_of(visit: Appointment) -> str:
    return DOSING if visit.visit_type.is_dosing else INTEGRATION


def _span(visit: Appointment, put: dict[uuid.UUID, Span]) -> Span:
    return put.get(visit.pk, (visit.starts_at, visit.ends_at))


def _rest_of(course: Course, put: dict[uuid.UUID, Span], *, again: bool) -> Rest:
    """Return the course as it is, with one visit where it was ``put``; ``again`` asks for as many doses as it had."""
    found = sorted(_visits_of(course), key=lambda visit: _span(visit, put))
    doses, talks = ([one for one in found if one.visit_type.is_dosing is wanted] for wanted in (True, False))
    own, free = courserest.pair_up([_span(one, put) for one in doses], [_span(one, put) for one in talks])
    left_over = [talks[n] for n in free]
    pairs: list[tuple[Appointment | None, Appointment | None]] = [
        (dose, talks[at] if at is not None else None) for dose, at in zip(doses, own, strict=True)
    ]
    for _missing in range(max(0, course.doses - len(doses)) if again else 0):
        pairs.append((None, left_over.pop(0) if left_over else None))
    return Rest(pairs, left_over)


def _proposal(request: StaffRequest, visit: Appointment, course: Course, kinds: Kinds) -> dict[str, Any]:
    """Return the proposal as the page shows it. A fixed number of queries."""
    tz, now = visit.location.tz, request.now
    to = _wanted(request, visit, kinds)
    put = {visit.pk: (to.starts_at, to.starts_at + visit.visit_type.duration)} if to else {}
    again = not request.GET.get("only")
    rest = _rest_of(course, put, again=again)

    def is_fixed(one: Appointment | None) -> bool:
        return one is not None and (one == visit or not one.can_be_moved or one.starts_at <= now)

    left = [
        Left(
            _span(dose, put) if dose else None, _span(talk, put) if talk else None, is_fixed(dose), is_fixed(talk)
        )
        for dose, talk in rest.pairs
    ]  # fmt: skip
    first = localtime.day_of(now, tz)
    missing = sum(dose is None for dose, _talk in rest.pairs)
    last = max(
        [localtime.day_of(max(now, *(one.ends_at for one in rest.visits), *(span[1] for span in put.values())), tz)]
    )
    last += timedelta(days=7 * missing) + ROOM_FOR_DELAY
    openings = openings_of(
        request, course.patient, kinds, first, last, [one for one in rest.visits if not is_fixed(one) or one.pk in put]
    )
    known = {one.clinician_id for one in rest.visits}
    booked, least = dosegate.doses_of(course.patient, rest.visits), dosegate.days_between(now)
    doses = [
        one for one in one_a_start(openings[DOSING], None, known)
        if not dosegate.too_near(booked, one.starts_at, tz, least)
    ]  # fmt: skip
    talks = one_a_start(openings[INTEGRATION], None, known)
    laid = courserest.lay_anew(left, doses, talks, are_apart=apart(tz, least))
    shown = _Shown(request, kinds, tz, visit, to)
    steps = [
        shown.step(number, pair, one, other_doses(number - 1, left, laid, doses, talks, tz, least), talks)
        for number, (pair, one) in enumerate(zip(rest.pairs, laid, strict=True), start=1)
    ]
    no_place = [shown.dropped(one) for one in _without_place(rest, laid) if not is_fixed(one)]
    changed = any(row["is_change"] for step in steps for row in step) or bool(no_place)
    return {
        "steps": steps, "no_place": no_place, "changes": changed, "fell_out": course.doses - (len(rest.pairs) - missing),
        "again": again, "zone": localtime.zone_text(now, tz), "until": localtime.day_text(last),
        "only_url": f"{request.path}?only=1", "again_url": request.path,
        "wants_place": [row["label"] for step in steps for row in step if row["wants_place"]],
        "may_want_phone": any(
            one.dose is not None and pair[0] is None
            and one.dose.starts_at < now + timedelta(hours=kinds.dose.phone_within_hours)
            for pair, one in zip(rest.pairs, laid, strict=True)
        ),
    }  # fmt: skip


def _wanted(request: StaffRequest, visit: Appointment, kinds: Kinds) -> Slot | None:
    """Return the time that the visit itself is to have, if one is named that it could have."""
    try:
        slot = Slot.parse(request.GET.get("to", ""))
    except ValueError:
        return None
    if not visit.visit_type.is_dosing or not visit.can_be_moved or slot.starts_at <= request.now:
        return None
    return slot if kinds.planned(kinds.dose, slot) is not None else None


def _without_place(rest: Rest, laid: Sequence[Laid]) -> list[Appointment]:
    """Return the visits that have no place in the plan: of a dose that found none its talk as well, and talks without a dose."""
    found = []
    for (dose, talk), one in zip(rest.pairs, laid, strict=True):
        if dose is not None and not one.dose_has_place:
            found.append(dose)
        if talk is not None and not (one.dose_has_place and one.talk_has_place):
            found.append(talk)
    return [*found, *rest.left_over]


def other_doses(
    at: int, left: Sequence[Left], laid: Sequence[Laid], doses: Sequence[Opening], talks: Sequence[Opening], tz: Any, least: int
) -> list[Opening]:  # fmt: skip
    """Return the nearest other times for one dose of the plan at which the rest, its own talk too, can stay as planned."""
    chosen = laid[at].dose
    if chosen is None:
        return []

    def spans(which: int) -> tuple[Span | None, Span | None]:
        one, was = laid[which], left[which]
        if not one.dose_has_place:
            return None, None
        dose = (one.dose.starts_at, one.dose.ends_at) if one.dose else was.dose
        talk = (one.talk.starts_at, one.talk.ends_at) if one.talk else was.talk if one.talk_has_place else None
        return dose, talk

    others = [span for n in range(len(laid)) if n != at for span in spans(n)]
    neighbours = [span[0][0] for n in range(len(laid)) if n != at and (span := spans(n))[0] is not None]
    talk = spans(at)[1]
    found = [
        one
        for one in doses
        if one.starts_at != chosen.starts_at
        and (talk is None or courserest.is_within((one.starts_at, one.ends_at), talk))
        and all(dosegate.is_far_enough(one.starts_at, other, tz, least) for other in neighbours)
        and not any(span and span[0] < one.ends_at and one.starts_at < span[1] for span in others)
    ]
    return availability.nearest(found, chosen.starts_at, chosen.clinician_id, OTHER_TIMES)


@dataclass(frozen=True)
class _Shown:
    """How the proposal is written down."""

    request: StaffRequest
    kinds: Kinds
    tz: Any
    visit: Appointment
    to: Slot | None

    def step(
        self,
        number: int,
        pair: tuple[Appointment | None, Appointment | None],
        laid: Laid,
        others: list[Opening],
        talks: Sequence[Opening],
    ) -> list[dict[str, Any]]:
        """Return the line of a dose and that of its talk."""
        dose, talk = pair
        rows = [self.row(_("Dose %(n)d") % {"n": number}, DOSING, dose, laid.dose, laid.dose_has_place, others)]
        if laid.dose_has_place:
            ends = laid.dose.ends_at if laid.dose else None
            near = [
                one for one in talks
                if laid.talk and ends and courserest.is_within((ends, ends), (one.starts_at, one.ends_at))
                and one.starts_at != laid.talk.starts_at
            ]  # fmt: skip
            nearest = (
                availability.nearest(near, laid.talk.starts_at, laid.talk.clinician_id, OTHER_TIMES)
                if laid.talk
                else []
            )
            rows.append(
                self.row(
                    _("Talk after dose %(n)d") % {"n": number},
                    INTEGRATION,
                    talk,
                    laid.talk,
                    laid.talk_has_place,
                    nearest,
                )
            )
        return rows

    def row(
        self, label: str, code: str, visit: Appointment | None, opening: Opening | None, has_place: bool, others: list[Opening]
    ) -> dict[str, Any]:  # fmt: skip
        """Return one line: what stays, moves or is booked, from when to when, and the other times it could have."""
        slot = self.to if visit is not None and visit == self.visit else Slot.of(opening) if opening else None
        prefix = f"{visit.pk}:{visit.version}" if visit else code
        slots = [slot, *(Slot.of(one) for one in others)] if slot else []
        if not has_place:
            word, tone = _("no place"), "amber"
        elif visit is None:
            word, tone = _("new"), "blue"
        elif slot is not None:
            word, tone = _("moves"), "violet"
        else:
            word, tone = (_("over"), "neutral") if visit.starts_at <= self.request.now else (_("stays"), "green")
        return {
            "label": label,
            "word": word,
            "tone": tone,
            "url": reverse("sessions:appointment", args=[visit.pk]) if visit else "",
            "was": localtime.moment_text(visit.starts_at, self.tz) if visit else "",
            "who": _who(visit) if visit else "",
            "name": "move" if visit else "add",
            "options": [(f"{prefix}:{one}", self.words(code, one)) for one in slots],
            "is_change": bool(slots),
            "wants_place": not has_place and visit is None,
        }

    def words(self, code: str, slot: Slot) -> str:
        choices = self.kinds.choices[code]
        people = dict.fromkeys(choices.everybody[pk].name for pk in (slot.clinician_id, *slot.others))
        parts = [localtime.moment_text(slot.starts_at, self.tz), ", ".join(people)]
        return " · ".join([*parts, *([choices.rooms[slot.room_id].name] if slot.room_id else [])])

    def dropped(self, visit: Appointment) -> dict[str, str]:
        return {
            "value": f"{visit.pk}:{visit.version}",
            "what": visit.visit_type.name,
            "when": localtime.moment_text(visit.starts_at, self.tz),
            "url": reverse("sessions:appointment", args=[visit.pk]),
        }


def _who(visit: Appointment) -> str:
    return " · ".join([visit.clinician.name, *([visit.room.name] if visit.room else [])])


def plan_rest_url(visit: Appointment, refusal: Refused, slot: Slot) -> str:
    """Return where a dose that only the distance to others keeps from a time can be put there with the rest of its course, or ""."""
    if visit.course_id is None or not isinstance(refusal, placing.DoseNotMet):
        return ""
    if any(one.code != "spacing" for one in refusal.unmet):
        return ""
    return f"{reverse('sessions:plan_rest', args=[visit.pk])}?to={slot}"


def wants_rest(visit: Appointment, now: datetime) -> bool:
    """Return whether what happened to a visit asks for the rest of its course to be planned anew."""
    return visit.course is not None and courses.is_out_of_joint(visit.course, now)
