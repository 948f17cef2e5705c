"""The patient's own pages: the next visit, all visits, one, its calendar file, and nobody else's."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from sessions.actions import changes, wishes
from sessions.models import Appointment, ChangeRequest
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, at, book, queries_of

S = Appointment.Status
# Nothing of this may be seen on what leaves the house or lies open on a screen.
CLINICAL = re.compile(r"ketamine|psych|dosing|intake|prescri|therap", re.I)


@pytest.fixture
def quinn(cast: Cast, now: Any, signed_in: SignedIn) -> Client:
    return signed_in(cast.quinn_user)


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


class TestHome:
    def test_the_next_visit_in_full(self, cast: Cast, quinn: Client) -> None:
        cast.intake.what_to_bring = "A photo ID\nYour list of medicines"
        cast.intake.save()
        cast.quinn.time_zone = "America/New_York"
        cast.quinn.save()
        book(cast)
        book(cast, starts_at=at("10:00", 21), second_is_meant=True)
        page = text_of(quinn.get("/portal/"))
        for words in (
            "Hello Quinn", "Thursday, 14 January 2027", "10:00 MST", "That is 12:00 EST where you are.", "75 minutes",
            "Dana Deng", "Juniper Street", "12 Juniper Street, Denver, CO 80203", "A photo ID", "Your list of medicines",
            "Tomorrow", "Thu 21 Jan 2027, 10:00 MST",
        ):  # fmt: skip
            assert words in page, words

    def test_the_own_zone_is_named_only_where_it_differs(self, cast: Cast, quinn: Client) -> None:
        book(cast)
        assert "where you are" not in text_of(quinn.get("/portal/"))

    @pytest.mark.parametrize(
        "changes",
        [{"status": S.CANCELLED, "cancelled_at": make.NOON, "cancelled_by": "clinic", "cancel_reason": "other"},
         {"status": S.NO_SHOW, "no_show_at": make.NOON}, {"starts_at": at("07:00", 13)}],
    )  # fmt: skip
    def test_what_is_over_is_no_next_visit(self, cast: Cast, quinn: Client, changes: dict[str, Any]) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.dana, **{"starts_at": TEN, **changes})
        page = text_of(quinn.get("/portal/"))
        assert "No visit is planned." in page
        assert "(303) 555-0100" in page

    def test_an_answer_is_to_do(self, cast: Cast, quinn: Client) -> None:
        visit = book(cast, starts_at=at("10:00", 20))
        wish = wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=make.NOON
        )
        assert "Read our answer" not in text_of(quinn.get("/portal/"))
        wishes.answer_change_request(by=cast.frida, change_request=wish, answer="Fridays are full.", now=make.NOON)
        page = text_of(quinn.get("/portal/"))
        assert "Read our answer about your visit on Wed 20 Jan 2027" in page
        assert "Fridays are full." in page

    def test_queries_and_bytes(self, cast: Cast, quinn: Client) -> None:
        """W6: at most seven queries and 20 kB."""
        book(cast)
        one = queries_of(quinn, "/portal/")
        for day in range(15, 44):
            make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", day))
        assert queries_of(quinn, "/portal/") == one <= 7
        assert len(quinn.get("/portal/").content) <= 20_000


class TestVisits:
    def test_gently(self, cast: Cast, quinn: Client) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 5), status=S.COMPLETED,
                              finished_at=at("11:00", 5))  # fmt: skip
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 6), status=S.NO_SHOW,
                              no_show_at=at("11:00", 6))  # fmt: skip
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 7), status=S.ENTERED_IN_ERROR)
        make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:00", 8))
        page = text_of(quinn.get("/portal/appointments/"))
        assert "You came" in page
        assert "We did not see you" in page
        assert "did not come" not in page
        assert "7 Jan" not in page
        assert "8 Jan" not in page

    def test_queries(self, cast: Cast, quinn: Client) -> None:
        book(cast)
        one = queries_of(quinn, "/portal/appointments/")
        for day in range(15, 44):
            make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", day))
        assert queries_of(quinn, "/portal/appointments/") == one


class TestVisit:
    def test_says_what_became_of_a_wish(self, cast: Cast, quinn: Client) -> None:
        visit = book(cast, starts_at=at("10:00", 20))
        url = reverse("sessions:portal_visit", args=[visit.pk])
        assert "Ask for another time" in text_of(quinn.get(url))
        wish = wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CANCEL, message="<i>x</i>", now=make.NOON
        )
        page = text_of(quinn.get(url))
        assert "You asked: cancel the visit" in page
        assert "&lt;i&gt;x&lt;/i&gt;" in page
        assert "Ask for another time" not in page
        wishes.answer_change_request(by=cast.frida, change_request=wish, answer="Please phone.", now=make.NOON)
        assert "Our answer: Please phone." in text_of(quinn.get(url))

    def test_too_late_to_ask_says_to_phone(self, cast: Cast, quinn: Client) -> None:
        visit = make.make_appointment(cast.quinn, cast.intake, cast.dana, at("08:00", 14))
        page = text_of(quinn.get(reverse("sessions:portal_visit", args=[visit.pk])))
        assert '<a class="nowrap" href="tel:(303) 555-0100">(303) 555-0100</a>. We will find a way.' in page
        assert "/ask-change/" not in page

    def test_nothing_clinical_nothing_of_the_staff(self, cast: Cast, quinn: Client) -> None:
        """D21: kind of visit in the patient's words only; no notes, reasons or ids of others."""
        visit = make.make_appointment(
            cast.quinn, cast.intake, cast.dana, TEN, status=S.CANCELLED, cancelled_at=make.NOON, cancelled_by="patient",
            cancel_reason="illness", cancel_note="Sounded unwell", cancel_is_late=True,
        )  # fmt: skip
        for path in ("/portal/", "/portal/appointments/", reverse("sessions:portal_visit", args=[visit.pk])):
            main = text_of(quinn.get(path)).split("<main")[1].split("</main")[0]
            assert not CLINICAL.search(main)
            assert not re.search(r"Sounded unwell|illness|\blate\b", main, re.I)
            assert str(cast.dana.pk) not in main


class TestIcs:
    def test_download(self, cast: Cast, quinn: Client) -> None:
        visit = book(cast)
        answer = quinn.get(reverse("sessions:portal_visit_ics", args=[visit.pk]))
        body = answer.content.decode()
        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="visit.ics"'
        assert answer.headers["Cache-Control"] == "no-store"
        assert "SUMMARY:Visit: Juniper Street" in body
        assert "SEQUENCE:1" in body
        for word in ("Quinn", "Dana", "First visit"):
            assert word not in body
        assert not CLINICAL.search(body)

    def test_a_move_raises_the_sequence(self, cast: Cast, quinn: Client) -> None:
        visit = book(cast)
        changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("14:00", 15), seen_version=1,
            now=make.NOON,
        )  # fmt: skip
        body = quinn.get(reverse("sessions:portal_visit_ics", args=[visit.pk])).content.decode()
        assert "SEQUENCE:2" in body
        assert "20270115T140000" in body


@pytest.mark.parametrize("name", ["portal_visit", "portal_visit_ics", "ask_change", "cancel_my_visit"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_nobody_else_s(cast: Cast, now: Any, signed_in: SignedIn, name: str, method: str) -> None:
    """D4: Pat's session and Quinn's visit, by every verb."""
    visit = book(cast, starts_at=at("10:00", 20))
    url = reverse(f"sessions:{name}", args=[visit.pk])
    got = getattr(signed_in(cast.pat_user), method)(url, {"wish": "cancel"}).status_code
    allowed = method in {"get", "post"} if name in {"ask_change", "cancel_my_visit"} else method == "get"
    assert got == (404 if allowed else 405)
    visit.refresh_from_db()
    assert (visit.status, visit.version) == ("booked", 1)
    assert not ChangeRequest.objects.exists()


@pytest.mark.parametrize("path", ["/portal/", "/portal/appointments/"])
def test_audiences(cast: Cast, now: Any, signed_in: SignedIn, path: str) -> None:
    assert Client().get(path).status_code == 302
    assert signed_in(cast.frida).get(path).status_code == 403


def test_a_portal_that_was_closed_shows_nothing(cast: Cast, now: Any, signed_in: SignedIn) -> None:
    visit = book(cast)
    client = signed_in(cast.quinn_user)
    cast.quinn.portal_user = cast.quinn.portal_since = None
    cast.quinn.save()
    for path in ("/portal/", "/portal/appointments/", reverse("sessions:portal_visit", args=[visit.pk])):
        assert client.get(path).status_code in {302, 404}
