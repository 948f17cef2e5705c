"""The calendar feed: whose visits it tells, what it never says, and every way in which its key dies."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from clinic import tokens
from clinic.actions import people
from clinic.models import AuditEvent, Membership, User
from patients.actions import patients, portal
from patients.models import LifeState, PortalSuspension
from sessions.access import MOST_WRONG_KEYS
from sessions.actions import changes, feeds
from sessions.models import Appointment, Block, CalendarFeed, WaitlistEntry, WaitlistOffer
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, at, queries_of

PAGE = "/account/calendar/"


def key_of(user: User, now: datetime) -> str:
    return feeds.make(by=user, now=now).key


def fetch(key: str, **headers: str) -> Any:
    return Client(headers=headers or None).get(reverse("sessions:calendar_ics", args=[key]))


def events(key: str) -> list[Any]:
    answer = fetch(key)
    assert answer.status_code == 200
    return list(Calendar.from_ical(answer.content).events)


def is_dead(key: str) -> bool:
    return bool(fetch(key).status_code == 404)


def test_a_patients_own_visits_and_nothing_about_them(cast: Cast, now: datetime) -> None:
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, TEN, room=cast.room)
    make.make_appointment(cast.quinn, cast.intake, cast.theo, TEN)
    answer = fetch(key_of(cast.pat_user, now))
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    [event] = Calendar.from_ical(answer.content).events
    assert str(event["UID"]) == f"{visit.pk}@stillwater"
    assert (visit.starts_at, visit.ends_at) == (event.DTSTART, event.DTEND)
    text = answer.content.decode()
    for secret in (
        "Pat",
        "Moreau",
        "Dana",
        "Deng",
        cast.intake.name,
        cast.intake.patient_name,
        "Aspen",
        "etamin",
        cast.pat.mrn,
    ):
        assert secret not in text


def test_a_clinicians_own_hours_at_places_of_theirs(cast: Cast, now: datetime) -> None:
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, TEN)
    Block.objects.create(
        appointment=visit, kind="whole", position=1, duty="monitor", person=cast.milo, starts_at=TEN + timedelta(minutes=20),
        ends_at=TEN + timedelta(minutes=30),
    )  # fmt: skip
    Block.objects.create(
        appointment=visit, kind="whole", position=1, duty="watch", person=cast.milo, starts_at=TEN + timedelta(minutes=30),
        ends_at=TEN + timedelta(minutes=40),
    )  # fmt: skip
    make.make_appointment(cast.sol, cast.intake, cast.dana, TEN + timedelta(days=1))
    [event] = events(key_of(cast.milo, now))
    assert (TEN + timedelta(minutes=20), TEN + timedelta(minutes=40)) == (event.DTSTART, event.DTEND)
    text = fetch(key_of(cast.dana, now)).content.decode()
    # Phoenix is no place of Dana's, whatever was booked there once.
    assert text.count("BEGIN:VEVENT") == 1
    for secret in ("Pat", "Moreau", cast.intake.name, cast.pat.mrn, str(cast.pat.pk)):
        assert secret not in text


def test_a_move_and_a_cancellation_reach_the_calendar(cast: Cast, now: datetime) -> None:
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, TEN, room=cast.room)
    keys = [key_of(cast.pat_user, now), key_of(cast.dana, now)]
    before = [events(key)[0] for key in keys]
    changes.reschedule(
        by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("14:00"), seen_version=visit.version,
        now=now,
    )  # fmt: skip
    moved = [events(key)[0] for key in keys]
    visit.refresh_from_db()
    changes.cancel(
        by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.CLINIC,
        reason=Appointment.CancelReason.OTHER, note="x", seen_version=visit.version, now=now,
    )  # fmt: skip
    for key, was, then in zip(keys, before, moved, strict=True):
        [last] = events(key)
        assert was["UID"] == then["UID"] == last["UID"]
        assert int(was["SEQUENCE"]) < int(then["SEQUENCE"]) < int(last["SEQUENCE"])
        assert at("14:00") == then.DTSTART
        assert (str(then["STATUS"]), str(last["STATUS"])) == ("CONFIRMED", "CANCELLED")
    Appointment.objects.filter(pk=visit.pk).update(cancelled_at=now - timedelta(weeks=5))
    assert [events(key) for key in keys] == [[], []]


def test_what_is_only_offered_is_nobodys_visit_yet(cast: Cast, now: datetime) -> None:
    kept = make.make_appointment(
        cast.pat, cast.intake, cast.dana, TEN, status="held", held_until=now + timedelta(minutes=30)
    )
    waits = WaitlistEntry.objects.create(
        patient=cast.pat, location=cast.denver, visit_type_code="intake", first_day=now.date(),
        last_day=(now + timedelta(days=60)).date(), made_by=cast.pat_user, made_at=now,
    )  # fmt: skip
    offer = WaitlistOffer.objects.create(
        entry=waits, appointment=kept, offered_by=cast.frida, offered_at=now, expires_at=now + timedelta(minutes=30)
    )
    key = key_of(cast.pat_user, now)
    assert events(key) == []
    # It takes the clinician's hour already.
    assert [str(event["STATUS"]) for event in events(key_of(cast.dana, now))] == ["TENTATIVE"]
    Appointment.objects.filter(pk=kept.pk).update(status="booked", held_until=None)
    WaitlistOffer.objects.filter(pk=offer.pk).update(status="accepted", settled_by=cast.pat_user, settled_at=now)
    assert [str(event["STATUS"]) for event in events(key)] == ["CONFIRMED"]


def test_from_afar_names_no_place_to_come_to(cast: Cast, now: datetime) -> None:
    afar = make.make_visit_type("follow_up_video", is_remote=True, room_kind="")
    make.make_appointment(cast.pat, afar, cast.dana, TEN)
    for user in (cast.pat_user, cast.dana):
        [event] = events(key_of(user, now))
        assert str(event["LOCATION"]) == "By video or phone"


def test_the_window_and_the_statements_are_bounded(cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in (-40, -20, 100, 200):
        make.make_appointment(cast.pat, cast.intake, cast.dana, TEN + timedelta(days=days))
    make.make_appointment(
        cast.pat, cast.intake, cast.dana, TEN + timedelta(days=7), status="held", held_until=now - timedelta(hours=1)
    )
    for user in (cast.pat_user, cast.dana):
        key = key_of(user, now)
        assert [event.DTSTART for event in events(key)] == [TEN + timedelta(days=days) for days in (-20, 100)]
        assert queries_of(Client(), reverse("sessions:calendar_ics", args=[key])) == 3
    monkeypatch.setattr("sessions.views.feeds.MOST", 1)
    assert len(events(key)) == 1


def test_it_is_shown_once_and_kept_as_a_hash(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    client = signed_in(cast.pat_user)
    page = client.post(PAGE)
    feed = CalendarFeed.objects.get(user=cast.pat_user)
    [key] = re.findall(r"/feeds/calendar/([^/]+)[.]ics", page.content.decode())
    assert page.status_code == 200
    assert tokens.hash_of(key) == feed.key_hash
    assert "no-store" in page.headers["Cache-Control"]
    assert not is_dead(key)
    assert key not in client.get(PAGE).content.decode()
    rows = AuditEvent.objects.filter(subject_id=feed.pk)
    assert [(row.verb, row.actor_id, row.patient_id, row.details) for row in rows] == [
        ("calendar_feed.made", cast.pat_user.pk, cast.pat.pk, {"renewed": False})
    ]
    # Renewed: the old one is dead. Switched off: so is the new one, and once is enough.
    renewed = key_of(cast.pat_user, now)
    assert is_dead(key) and not is_dead(renewed)  # noqa: PT018  # one change, seen from both sides
    assert client.post(PAGE + "revoke/").headers["Location"] == PAGE
    assert is_dead(renewed)
    assert AuditEvent.objects.filter(verb="calendar_feed.revoked", actor_id=cast.pat_user.pk).count() == 1
    with pytest.raises(feeds.NoFeed):
        feeds.revoke(by=cast.pat_user, now=now)


def test_who_gives_no_visits_has_none(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.frida)
    assert "No visits to follow here" in client.get(PAGE).content.decode()
    refused = client.post(PAGE)
    assert refused.status_code == 422
    assert "There are no visits to follow here" in refused.content.decode()
    assert not CalendarFeed.objects.exists()


def test_a_leavers_key_dies_with_the_last_role(cast: Cast, now: datetime) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.tess, TEN)
    left, ended = key_of(cast.tess, now), key_of(cast.milo, now)
    people.leave(by=cast.ada, person=cast.tess, now=now)
    assert is_dead(left)
    Membership.objects.filter(user=cast.milo).update(ended_at=now)
    assert is_dead(ended)


def test_a_patient_who_loses_the_portal_loses_the_feed_for_good(cast: Cast, now: datetime) -> None:
    key = key_of(cast.pat_user, now)
    portal.suspend_portal(by=cast.frida, patient=cast.pat, reason=PortalSuspension.SHARED_ADDRESS, now=now)
    assert is_dead(key)
    # Back on the portal: the key that somebody else may know stays dead.
    User.objects.filter(pk=cast.pat_user.pk).update(is_active=True)
    type(cast.pat).objects.filter(pk=cast.pat.pk).update(portal_suspended_at=None, portal_suspension="")
    assert is_dead(key)
    cast.pat_user.refresh_from_db()
    assert not is_dead(key_of(cast.pat_user, now))


def test_a_discharged_patient_is_told_nothing(cast: Cast, now: datetime) -> None:
    key = key_of(cast.pat_user, now)
    patients.change_life_state(by=cast.frida, patient=cast.pat, to=LifeState.DISCHARGED, now=now)
    assert is_dead(key)
    with pytest.raises(feeds.NothingToFollow):
        feeds.make(by=cast.pat_user, now=now)


def test_wrong_keys_all_look_alike_and_stop_no_good_one(cast: Cast, now: datetime) -> None:
    """D21, D24: a flood from a calendar service's address shuts nobody out who was let in before."""
    good, unseen = key_of(cast.pat_user, now), key_of(cast.dana, now)
    assert not is_dead(good)
    # All but the token of the page's own form.
    answers = {
        re.sub(rb"[A-Za-z0-9]{64}", b"", fetch(key).content)
        for key in (tokens.new(), "x", "x" * 300, good[:-1], good.swapcase())
    }
    assert len(answers) == 1
    for _ in range(MOST_WRONG_KEYS):
        assert is_dead(tokens.new())
    assert is_dead(unseen)
    assert not is_dead(good)
    assert AuditEvent.objects.filter(verb="calendar_feed.refused").count() == 1
