"""Somebody is ill today: everybody who needs them is planned anew, all or none, and called."""

import re
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.test import Client
from django.urls import reverse

from clinic.actions import hours
from clinic.models import TimeOff, User, WorkItem
from patients.models import Patient
from sessions import standins, visitkinds
from sessions.actions import absences, attendance, changes, reminders, visits, visittypes
from sessions.actions.courses import Dropped, Moved, Planned
from sessions.actions.holds import Team, team_of
from sessions.models import Appointment, ResourceHold, VisitMove, VisitType
from sessions.standins import Line, Proposal
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, book, in_thread, queries_of
from .dosing import book_dose, dosing_room, make_another, may_be_dosed, monitor, publish_dosing, team
from .truth import broken


def ill(cast: Cast, who: User, first: int = 14, last: int = 14) -> TimeOff:
    day = at("00:00", first).date()
    return hours.enter_time_off(
        by=cast.frida, user=who, location=cast.denver, first=day, last=day + timedelta(days=last - first),
        reason=TimeOff.Reason.ILLNESS, despite=99, now=make.NOON,
    )  # fmt: skip


def talks(cast: Cast) -> VisitType:
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "integration")
    return visittypes.publish(by=cast.ada, now=make.NOON, **row)


def book_talk(
    cast: Cast, kind: VisitType, starts_at: datetime, who: User | None = None, patient: Patient | None = None
) -> Appointment:
    return visits.book_visit(
        by=cast.frida, patient=patient or cast.pat, team=Team((who or cast.theo,)), room=cast.room, starts_at=starts_at,
        location=cast.denver, visit_type=kind, now=make.NOON,
    )  # fmt: skip


def propose(cast: Cast, off: TimeOff, now: datetime = make.NOON) -> Proposal:
    return standins.propose(off, cast.denver, now)


def as_moved(line: Line) -> Moved:
    assert line.chosen is not None
    place, names = line.case.places[line.chosen], line.choices
    people = Team(
        tuple(names.everybody[who] for who in place.people), tuple(names.devices[one] for one in place.devices)
    )
    room = names.rooms[place.room] if place.room else None
    return Moved(line.visit, line.visit.version, Planned(line.visit.visit_type, people, room, place.starts_at))


def sent_by(html: str) -> dict[str, list[str]]:
    """Return what the page would send: the first option of each line, and the ticks."""
    return {
        "line": re.findall(r'<select[^>]* name="line"[^>]*><option value="([^"]+)"', html),
        "take": re.findall(r'name="take" value="([^"]+)" checked', html),
    }


@pytest.mark.usefixtures("now")
def test_ill_today_from_the_word_to_the_last_call(cast: Cast, signed_in: SignedIn) -> None:
    """Theo is ill: a dose goes on with Tess, a talk too, and the desk calls both."""
    publish_dosing(cast)
    kind = talks(cast)
    may_be_dosed(cast, cast.pat)
    dose = book_dose(cast, cast.pat, team(cast, monitor(cast)), dosing_room(cast))
    talk = book_talk(cast, kind, at("14:00", 15))
    client = signed_in(cast.frida)
    said = client.post(
        reverse("sessions:say_away"),
        {"person": cast.theo.pk, "first": "2027-01-14", "last": "2027-01-15", "starts": "", "ends": "", "reason": "illness"},
    )  # fmt: skip
    off = TimeOff.objects.get()
    page = reverse("sessions:absence", args=[off.pk])
    assert said.headers["Location"] == page
    html = client.get(page).content.decode()
    found = sent_by(html)
    assert (len(found["take"]), html.count("Same time, with")) == (2, 4)
    # Nothing was chosen: nothing happens, and the page says so.
    refused = client.post(page, {"line": found["line"]})
    assert (refused.status_code, "Choose at least one visit" in refused.content.decode()) == (422, True)
    assert client.post(page, found).status_code == 302
    dose.refresh_from_db()
    talk.refresh_from_db()
    assert (dose.starts_at, talk.starts_at) == (at("10:00"), at("14:00", 15))
    assert cast.theo not in {*team_of(dose).people, *team_of(talk).people}
    # Who was with the dose besides stays.
    assert {cast.dana, cast.milo} <= set(team_of(dose).people)
    assert set(VisitMove.objects.values_list("reason", "asked_by")) == {("clinician_away", "clinic")}
    calls = WorkItem.objects.filter(kind=WorkItem.Kind.CALL_PATIENT).order_by("due_at")
    assert [(one.owner_role, one.closed_at) for one in calls] == [("front_desk", None)] * 2
    assert all(make.NOON < one.due_at <= at("09:30") + timedelta(days=1) for one in calls)
    # The list outlives the page: who, the number, what to say, and by when.
    html = client.get(page).content.decode()
    assert "No visit here needs them" in html
    assert (html.count("stays, with somebody else"), f"tel:{cast.pat.phone}" in html) == (2, bool(cast.pat.phone))
    first = calls[0]
    call = reverse("sessions:say_called", args=[off.pk, first.pk])
    due = first.due_at
    client.post(call, {"came_of_it": "not_reached"})
    first.refresh_from_db()
    assert (first.closed_at, first.due_at >= due, "Not reached" in first.outcome_note) == (None, True, True)
    client.post(call, {"came_of_it": "done"})
    client.post(call, {"came_of_it": "whatever"})
    first.refresh_from_db()
    assert (first.outcome, first.closed_by, first.outcome_note.endswith("Reached.")) == ("done", cast.frida, True)
    assert "One call is still to be made" in client.get(page).content.decode()
    assert list(broken()) == []


def test_where_nobody_can_the_dose_moves_and_keeps_its_distance(cast: Cast) -> None:
    """The only prescriber is away: another day, 72 hours from the doses around it, and within its talk's hours."""
    publish_dosing(cast)
    kind = talks(cast)
    device, room = monitor(cast), dosing_room(cast)
    may_be_dosed(cast, cast.pat)
    with_team = team(cast, device)
    book_dose(cast, cast.pat, with_team, room, starts_at=at("10:00", 18))
    dose = book_dose(cast, cast.pat, with_team, room, starts_at=at("10:00", 21))
    book_dose(cast, cast.pat, with_team, room, starts_at=at("10:00", 25))
    off = ill(cast, cast.dana, 21, 21)
    line = propose(cast, off).lines[0]
    assert (line.visit, line.why_not) == (dose, [])
    move = as_moved(line)
    # Wednesday would be too near to Monday, and later on Friday too near to the Monday after.
    assert at("00:00", 22) < move.place.starts_at <= at("10:00", 22)
    done = absences.carry_out(
        by=cast.frida, time_off=off, location=cast.denver, moved=[move], undecided=[], now=make.NOON
    )
    dose.refresh_from_db()
    assert (done, dose.starts_at, dose.schedule_version) == (1, move.place.starts_at, 2)
    assert list(broken()) == []
    # A dose with its talk on Friday afternoon moves to before, where the talk is still one to three days after it.
    una = make_another(cast, "Una")
    other = book_dose(cast, una, with_team, room, starts_at=at("10:00", 28))
    talk = book_talk(cast, kind, at("14:00", 29), cast.tess, una)
    away = ill(cast, cast.dana, 28, 28)
    found = as_moved(propose(cast, away).lines[0])
    ends = found.place.starts_at + timedelta(minutes=150)
    assert (found.visit, timedelta(hours=24) <= talk.starts_at - ends <= timedelta(hours=72)) == (other, True)
    # The action refuses by itself what would not be.
    late = Moved(found.visit, found.seen_version, replace(found.place, starts_at=at("10:00", 29)))
    with pytest.raises(absences.NoneOfIt, match="one to three days"):
        absences.carry_out(
            by=cast.frida, time_off=away, location=cast.denver, moved=[late], undecided=[], now=make.NOON
        )


def test_nothing_fits_is_said_and_called_about(cast: Cast, signed_in: SignedIn, now: object) -> None:
    """A talk holds the dose in place and the only prescriber is away for two weeks: call and decide."""
    publish_dosing(cast)
    kind = talks(cast)
    may_be_dosed(cast, cast.pat)
    dose = book_dose(cast, cast.pat, team(cast, monitor(cast)), dosing_room(cast))
    book_talk(cast, kind, at("14:00", 15), cast.tess)
    off = ill(cast, cast.dana, 13, 28)
    line = propose(cast, off).lines[0]
    assert (line.chosen, line.case.places) == (None, ())
    client = signed_in(cast.frida)
    page = reverse("sessions:absence", args=[off.pk])
    html = client.get(page).content.decode()
    assert ("No other time in two weeks" in html, "call and decide" in html) == (True, True)
    assert client.post(page, sent_by(html)).status_code == 302
    html = client.get(page).content.decode()
    # It stays as it was, is on the list, and is not ticked a second time.
    assert ("on the calls list" in html, sent_by(html)["take"]) == (True, [])
    assert "cannot be as it was planned" in html
    dose.refresh_from_db()
    assert (dose.version, dose.starts_at, VisitMove.objects.exists()) == (1, at("10:00"), False)
    assert now


def test_doses_and_preparations_keep_their_order(cast: Cast) -> None:
    """The first of two doses finds no time before the second: called about, and never after it; a preparation stays before its dose."""
    publish_dosing(cast)
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "preparation")
    kind = visittypes.publish(by=cast.ada, now=make.NOON, **row)
    may_be_dosed(cast, cast.pat)
    with_team, room = team(cast, monitor(cast)), dosing_room(cast)
    preparation = book_talk(cast, kind, at("15:00", 15), cast.theo)
    first = book_dose(cast, cast.pat, with_team, room, starts_at=at("09:00", 18))
    book_dose(cast, cast.pat, with_team, room, starts_at=at("09:00", 21))
    off = ill(cast, cast.dana, 13, 20)
    line = next(one for one in propose(cast, off).lines if one.visit == first)
    assert (line.chosen, line.case.places) == (None, ())
    after = Moved(first, 1, Planned(first.visit_type, with_team, room, at("09:00", 25)))
    with pytest.raises(absences.NoneOfIt, match="change places with another dose"):
        absences.carry_out(
            by=cast.frida, time_off=off, location=cast.denver, moved=[after], undecided=[], now=make.NOON
        )
    first.refresh_from_db()
    assert first.version == 1
    # Nobody prepares anybody before that Monday: an hour is left before the dose, and none after it is proposed.
    hours.cancel_time_off(by=cast.ada, time_off=off, location=cast.denver, now=make.NOON)
    for who in (cast.tess, cast.tara):
        ill(cast, who, 13, 15)
    found = propose(cast, ill(cast, cast.theo, 13, 15)).lines
    assert [one.visit for one in found] == [preparation]
    assert {place.starts_at for place in found[0].case.places} == {at("08:00", 18)}
    assert list(broken()) == []


def test_an_older_call_is_taken_over_and_nobody_is_forgotten_of_many(
    cast: Cast, signed_in: SignedIn, now: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call asked for before is replaced by the one of the absence; what is called about makes room for those not yet shown."""
    monkeypatch.setattr(standins, "MOST", 1)
    visit, other = book(cast), book(cast, cast.pat, starts_at=at("13:00"))
    soon = make.NOON + timedelta(hours=1)
    older = reminders.ask_to_call(by=cast.frida, visit=visit, due_at=soon, now=make.NOON - timedelta(hours=1))
    off = ill(cast, cast.dana)
    page = reverse("sessions:absence", args=[off.pk])
    client = signed_in(cast.frida)
    found = propose(cast, off)
    assert ([one.visit for one in found.lines], found.more) == ([visit], 1)
    # A call about something else does not count as one of this absence.
    assert "Whom to call" not in client.get(page).content.decode()
    absences.carry_out(
        by=cast.frida, time_off=off, location=cast.denver, moved=[], undecided=[Dropped(visit, 1)], now=make.NOON
    )
    older.refresh_from_db()
    call = WorkItem.objects.get(kind=WorkItem.Kind.CALL_PATIENT, closed_at=None)
    assert (older.outcome, call.subject_id, call.due_at) == ("not_needed", visit.pk, soon)
    assert [one.visit for one in propose(cast, off).lines] == [other]
    # The call stays on the page, also of a visit that gave its line to another one.
    assert "One call is still to be made" in client.get(page).content.decode()
    assert now


def test_whoever_is_here_is_shown_first_and_never_moved(cast: Cast, signed_in: SignedIn, now: object) -> None:
    visit = book(cast, starts_at=at("12:00", 13))
    later = book(cast, cast.pat, starts_at=at("15:00", 13))
    attendance.check_in(by=cast.frida, appointment=visit, now=make.NOON)
    off = ill(cast, cast.dana, 13, 13)
    found = propose(cast, off)
    assert ([one.pk for one in found.begun], [one.visit for one in found.lines]) == ([visit.pk], [later])
    html = signed_in(cast.frida).get(reverse("sessions:absence", args=[off.pk])).content.decode()
    assert html.index("see to these first") < html.index("What is proposed")
    visit.refresh_from_db()
    place = Planned(visit.visit_type, Team((cast.dana,)), cast.second_room, at("15:00", 20))
    with pytest.raises(absences.NoneOfIt):
        absences.carry_out(
            by=cast.frida, time_off=off, location=cast.denver, moved=[Moved(visit, visit.version, place)], undecided=[],
            now=make.NOON,
        )  # fmt: skip
    assert now


def test_all_or_none_under_versions_and_for_the_right_visits(cast: Cast) -> None:
    one, other = book(cast), book(cast, cast.pat, starts_at=at("13:00"))
    off = ill(cast, cast.dana)
    lines = propose(cast, off).lines
    moved = [as_moved(line) for line in lines]
    assert [move.visit for move in moved] == [one, other]
    changes.reschedule(
        by=cast.felix, appointment=other, clinician=cast.dana, room=cast.room, starts_at=at("13:00", 18), seen_version=1,
        now=make.NOON,
    )  # fmt: skip

    def carry_out(*moves: Moved, undecided: tuple[Dropped, ...] = ()) -> int:
        return absences.carry_out(
            by=cast.frida, time_off=off, location=cast.denver, moved=moves, undecided=undecided, now=make.NOON
        )

    # The second was moved out of the way meanwhile: the first is not done either.
    with pytest.raises(absences.NoneOfIt):
        carry_out(*moved)
    one.refresh_from_db()
    assert (one.version, WorkItem.objects.filter(kind=WorkItem.Kind.CALL_PATIENT).exists()) == (1, False)
    with pytest.raises(absences.NothingChosen):
        carry_out()
    assert carry_out(moved[0]) == 1
    hours.cancel_time_off(by=cast.ada, time_off=off, location=cast.denver, now=make.NOON)
    with pytest.raises(absences.NotAway):
        carry_out(undecided=(Dropped(one, 2),))
    assert list(broken()) == []


@pytest.mark.django_db(transaction=True)
def test_two_at_once_and_one_is_done(cast: Cast) -> None:
    """Frida and Felix carry out the same proposal, while the time off is entered for good: once, and no hold twice."""
    book(cast)
    book(cast, cast.pat, starts_at=at("13:00"))
    off = ill(cast, cast.dana)
    moved = [as_moved(line) for line in propose(cast, off).lines]
    done: list[str] = []
    ready = threading.Barrier(2)

    def work(who: User) -> None:
        ready.wait(10)
        try:
            absences.carry_out(
                by=who, time_off=off, location=cast.denver, moved=moved, undecided=[], now=make.NOON
            )  # fmt: skip
            done.append("done")
        except absences.NoneOfIt:
            done.append("refused")

    threads = [threading.Thread(target=in_thread(partial(work, who))) for who in (cast.frida, cast.felix)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["done", "refused"]
    assert (VisitMove.objects.count(), WorkItem.objects.filter(kind=WorkItem.Kind.CALL_PATIENT).count()) == (2, 2)
    assert list(broken()) == []
    assert ResourceHold.objects.filter(is_live=True, resource_id=cast.dana.pk, during__overlap=(at("00:00"), at("23:00"))).count() == 0  # fmt: skip


@pytest.mark.usefixtures("now")
def test_as_many_queries_however_many_visits(cast: Cast, signed_in: SignedIn) -> None:
    book(cast)
    off = ill(cast, cast.dana)
    client: Client = signed_in(cast.frida)
    page = reverse("sessions:absence", args=[off.pk])
    few = queries_of(client, page)
    hours.cancel_time_off(by=cast.ada, time_off=off, location=cast.denver, now=make.NOON)
    for n, name in enumerate(("Una", "Vera")):
        book(cast, make_another(cast, name), starts_at=at(f"{13 + 2 * n}:00"), room=cast.second_room)
    page = reverse("sessions:absence", args=[ill(cast, cast.dana).pk])
    assert queries_of(client, page) <= few
