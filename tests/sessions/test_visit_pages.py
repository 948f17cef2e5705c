"""The pages of one visit at the desk: booking, the visit itself, and the one-tap verbs."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from psycopg2.extras import DateTimeTZRange

from clinic.errors import Refused
from clinic.models import AuditEvent, Role, TimeOff, WorkingHours, WorkItem
from patients.models import Referral
from sessions.actions import wishes
from sessions.forms.visits import Slot
from sessions.models import Appointment, ChangeRequest, VisitType
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, at, book, queries_of

BOOK = "/appointments/book-intake/"


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


@pytest.fixture
def desk(cast: Cast, now: Any, signed_in: SignedIn) -> Client:
    return signed_in(cast.frida)


def slot(cast: Cast, when: Any = TEN) -> str:
    return str(Slot(when, cast.dana.pk, cast.room.pk))


class TestBookIntakePage:
    def accepted(self, cast: Cast) -> Referral:
        cast.rosa.patient, cast.rosa.status, cast.rosa.accepted_at = cast.quinn, Referral.Status.ACCEPTED, make.NOON
        cast.rosa.save()
        return cast.rosa

    def test_from_the_enquiry_to_the_visit(self, cast: Cast, desk: Client) -> None:
        url = f"{BOOK}?referral={self.accepted(cast).pk}"
        page = text_of(desk.get(url))
        assert "Book an intake for Quinn Abbott" in page
        assert "Thu 14 Jan" in page
        answer = desk.post(url, {"slot": slot(cast)}, follow=True)
        assert "Intake booked for Quinn Abbott: Thu 14 Jan 2027 10:00 MST. Quinn is told by e-mail." in text_of(answer)
        visit = Appointment.objects.get()
        assert answer.redirect_chain[-1][0] == reverse("sessions:appointment", args=[visit.pk])
        assert visit.referral == cast.rosa

    def test_nobody_is_said_to_be_told_who_is_not(self, cast: Cast, desk: Client) -> None:
        mute = make.make_patient(cast.denver, "Vera", "Silent")
        answer = desk.post(f"{BOOK}?patient={mute.pk}", {"slot": slot(cast)}, follow=True)
        assert "No e-mail goes to Vera; please tell them by phone." in text_of(answer)

    def test_a_second_intake_is_said_and_meant(self, cast: Cast, desk: Client) -> None:
        first = book(cast)
        url = f"{BOOK}?patient={cast.quinn.pk}"
        page = text_of(desk.get(url))
        assert "Quinn has an intake already" in page
        assert reverse("sessions:appointment", args=[first.pk]) in page
        chosen = slot(cast, at("14:00", 15))
        answer = desk.post(url, {"slot": chosen})
        assert answer.status_code == 422
        said = text_of(answer)
        assert "Move that one, or say that a second is meant." in said
        assert re.search(rf'value="{re.escape(chosen)}"[^>]* checked', said)
        assert not re.search(r'name="second"[^>]* checked', said)
        assert Appointment.objects.count() == 1
        done = text_of(desk.post(url, {"slot": chosen, "second": "on"}, follow=True))
        assert "Intake booked for Quinn Abbott: Fri 15 Jan 2027 14:00 MST." in done
        assert Appointment.objects.count() == 2

    def test_what_was_ticked_stays_ticked(self, cast: Cast, desk: Client) -> None:
        book(cast)
        book(cast, cast.pat, starts_at=at("14:00", 15))
        answer = desk.post(f"{BOOK}?patient={cast.quinn.pk}", {"slot": slot(cast, at("14:00", 15)), "second": "on"})
        assert answer.status_code == 422
        assert re.search(r'name="second"[^>]* checked', text_of(answer))

    def test_an_intake_elsewhere_is_named_and_not_linked(self, cast: Cast, desk: Client) -> None:
        away = make.make_appointment(cast.quinn, cast.intake, cast.omar, at("10:00", 20), location=cast.phoenix)
        page = text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}"))
        assert "Wed 20 Jan 2027 10:00 MST" in page
        assert str(away.pk) not in page

    def test_whoever_has_none_is_not_asked(self, cast: Cast, desk: Client) -> None:
        assert 'name="second"' not in text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}"))

    def test_taken_keeps_everything_and_offers_three(self, cast: Cast, desk: Client) -> None:
        book(cast, cast.pat)
        url = f"{BOOK}?patient={cast.quinn.pk}&week=2027-01-11&clinician={cast.dana.pk}"
        answer = desk.post(url, {"slot": slot(cast)})
        page = text_of(answer)
        assert answer.status_code == 422
        assert "Dana Deng is taken at that time." in page
        offered = re.findall(r'name="alternative"\s+value="([^"]+)"', page)
        assert len(offered) == 3
        assert f'value="{cast.dana.pk}" selected' in page
        # One tap on an alternative books it, whatever radio button is still chosen.
        again = desk.post(url, {"slot": slot(cast), "alternative": offered[0]}, follow=True)
        assert "Intake booked for Quinn Abbott: Thu 14 Jan 2027 08:30 MST" in text_of(again)

    @pytest.mark.parametrize("junk", ["", "x", "~~", "2027-01-14T17:00Z~a~b"])
    def test_junk_is_a_sentence(self, cast: Cast, desk: Client, junk: str) -> None:
        answer = desk.post(f"{BOOK}?patient={cast.quinn.pk}", {"slot": junk})
        assert answer.status_code == 422
        assert "Choose a time from the list." in text_of(answer)

    @pytest.mark.parametrize(
        "query", ["week=junk", "week=0001-01-01", "week=9999-12-31", "clinician=x", "room=1&week="]
    )
    def test_nonsense_in_the_query_is_the_default(self, cast: Cast, desk: Client, query: str) -> None:
        assert desk.get(f"{BOOK}?patient={cast.quinn.pk}&{query}").status_code == 200

    def test_without_anybody_it_says_where_to_begin(self, desk: Client) -> None:
        assert "Whose intake is it?" in text_of(desk.get(BOOK))

    def test_an_enquiry_without_a_patient(self, cast: Cast, desk: Client) -> None:
        page = text_of(desk.get(f"{BOOK}?referral={cast.rosa.pk}"))
        assert "Accept it and register Rosa as a patient first." in page

    def test_no_kind_of_visit(self, cast: Cast, desk: Client) -> None:
        VisitType.objects.update(is_current=False)
        assert "Ask a manager." in text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}"))

    def test_a_full_week_names_the_next_opening(self, cast: Cast, desk: Client) -> None:
        page = text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}&week=2027-01-16"))
        assert "Wed 13 Jan" in page
        WorkingHours.objects.filter(user=cast.dana).update(valid_from="2027-02-01")
        page = text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}"))
        assert "The next openings:" in page
        assert "Mon 1 Feb 2027 08:00 MST · Dana Deng" in page
        # And each day says why it has none.
        assert "Dana Deng is not at work" in page or "No prescriber is at work." in page

    def test_found_by_time_of_day_and_by_who_saw_them_last(self, cast: Cast, desk: Client) -> None:
        page = text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}&part=afternoon&days=14&week=2027-01-18"))
        hours = {int(hour) for hour in re.findall(r'name="slot" value="2027-01-\d\dT(\d\d):', page)}
        # From 12 to 17 in Denver.
        assert hours
        assert hours <= set(range(19, 24))
        assert "18–31 Jan 2027" in page
        assert "As last time" not in page
        drew = make.make_user("Drew Diaz")
        make.make_member(drew, cast.denver, Role.PRESCRIBER)
        make.make_appointment(
            cast.quinn, cast.intake, drew, at("10:00", 5), status="completed", finished_at=at("11:00", 5)
        )
        page = text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}"))
        assert "As last time: with Drew Diaz (Tue 5 Jan 2027)" in page
        # The address carries ids and codes, nobody's name.
        for url in re.findall(r'href="(\?[^"]+)"', page):
            assert not re.search("drew|quinn|dana", url.lower())

    def test_a_time_with_a_reason_is_refused_for_it_and_one_without_is_booked(
        self, cast: Cast, desk: Client, signed_in: SignedIn
    ) -> None:
        """The list and the action agree: each hour that was asked about, with its reason, and the sentence of the refusal."""
        TimeOff.objects.create(user=cast.dana, during=DateTimeTZRange(at("00:00", 21), at("00:00", 22)),
                               reason=TimeOff.Reason.TRAINING, entered_by=cast.ada, entered_at=make.NOON)  # fmt: skip
        for who, room in ((cast.theo, cast.room), (cast.tess, cast.second_room)):
            make.make_appointment(make.make_patient(cast.denver), cast.intake, who, at("10:00", 20), room=room)
        make.make_appointment(make.make_patient(cast.denver), cast.intake, cast.dana, at("10:00", 19))
        for clock, day, told, refused in (
            ("10:00", 19, "Dana Deng is taken.", "Dana Deng is taken at that time."),
            ("10:00", 20, "No consulting room is free.", "Aspen is taken, or being prepared, at that time."),
            ("10:00", 21, "Dana Deng is away.", "Dana Deng is away then."),
            ("07:00", 18, "Denver is not open.", "Denver is not open for the whole of that time."),
            ("10:00", 18, "", ""),
        ):
            page = text_of(
                desk.get(f"{BOOK}?patient={cast.quinn.pk}&week=2027-01-18&clinician={cast.dana.pk}&at={clock}")
            )
            said = re.findall(
                rf"({day} Jan) <span[^>]*>MST</span>\s*</(?:legend|h3)>\s*<p class=\"slot-reason\">Not at {clock}: ([^<]*)<",
                page,
            )
            assert [why for _day, why in said] == ([told] if told else [])
            if told:
                with pytest.raises(Refused, match=re.escape(refused)):
                    book(cast, starts_at=at(clock, day))
            else:
                assert book(cast, starts_at=at(clock, day)).pk

    def test_htmx_gets_the_list_alone(self, cast: Cast, desk: Client) -> None:
        part = text_of(desk.get(f"{BOOK}?patient={cast.quinn.pk}", headers={"HX-Request": "true"}))
        assert 'id="slots"' in part
        assert "<html" not in part

    def test_doors(self, cast: Cast, now: Any, signed_in: SignedIn) -> None:
        referral = self.accepted(cast)
        for who, expected in (("olga", 404), ("ada", 404), ("milo", 403), ("petra", 403), ("nina", 404)):
            assert signed_in(getattr(cast, who)).get(f"{BOOK}?referral={referral.pk}").status_code == expected, who
        assert signed_in(cast.olga).post(f"{BOOK}?patient={cast.quinn.pk}", {"slot": slot(cast)}).status_code == 404
        assert signed_in(cast.frida).get(f"{BOOK}?patient=1%20or%201").status_code == 404
        assert not Appointment.objects.exists()

    def test_as_many_queries_for_one_clinician_as_for_thirty(self, cast: Cast, desk: Client) -> None:
        url = f"{BOOK}?patient={cast.quinn.pk}"
        one = queries_of(desk, url)
        for _ in range(29):
            other = make.make_user()
            make.make_member(other, cast.denver, Role.PRESCRIBER)
            make.make_working_hours(other, cast.denver)
            make.make_room(cast.denver)
            make.make_appointment(make.make_patient(cast.denver), cast.intake, other, TEN)
        assert queries_of(desk, url) == one


class TestAppointmentPage:
    def test_says_when_where_who_and_state(self, cast: Cast, desk: Client) -> None:
        visit = book(cast)
        page = text_of(desk.get(reverse("sessions:appointment", args=[visit.pk])))
        for words in ("Thu 14 Jan 2027 10:00 MST", "Dana Deng", "Aspen", "Quinn Abbott", "Planned", "Move", "Letters"):
            assert words in page
        # It is tomorrow: nobody can be checked in yet.
        assert "Check in" not in page

    def test_what_can_be_done_follows_role_and_state(self, cast: Cast, now: Any, signed_in: SignedIn) -> None:
        visit = make.make_appointment(cast.pat, cast.intake, cast.dana, at("09:30", 13), room=cast.room)
        url = reverse("sessions:appointment", args=[visit.pk])
        offered = {
            who: set(
                re.findall(r"/appointments/[0-9a-f-]{36}/([a-z-]+)/", text_of(signed_in(getattr(cast, who)).get(url)))
            )
            - {"letters"}
            for who in ("frida", "dana", "milo", "petra")
        }
        assert offered == {
            "frida": {"check-in", "confirm", "reschedule", "cancel"},
            "dana": {"confirm", "reschedule", "cancel"},
            "milo": {"check-in"},
            "petra": set(),
        }

    def test_the_patient_s_wish_is_loud(self, cast: Cast, desk: Client) -> None:
        visit = book(cast, starts_at=at("10:00", 20))
        wishes.ask_change(
            by=cast.quinn_user,
            appointment=visit,
            wish=ChangeRequest.Wish.CHANGE,
            message="<b>Fridays</b>",
            now=make.NOON,
        )
        page = text_of(desk.get(reverse("sessions:appointment", args=[visit.pk])))
        assert "Quinn asks: another time" in page
        assert "&lt;b&gt;Fridays&lt;/b&gt;" in page

    def test_reading_is_written_down(self, cast: Cast, desk: Client) -> None:
        visit = book(cast)
        desk.get(reverse("sessions:appointment", args=[visit.pk]))
        assert AuditEvent.objects.filter(verb="record.read", subject_id=visit.pk, actor_id=cast.frida.pk).count() == 1

    def test_strangers(self, cast: Cast, now: Any, signed_in: SignedIn) -> None:
        url = reverse("sessions:appointment", args=[book(cast).pk])
        assert signed_in(cast.omar).get(url).status_code == 404
        assert signed_in(cast.quinn_user).get(url).status_code == 403
        assert Client().get(url).status_code == 302


VERBS = ["confirm_appointment", "check_in", "undo_check_in", "start_appointment", "finish_appointment", "mark_left",
         "undo_left", "mark_no_show"]  # fmt: skip


class TestVerbs:
    @pytest.fixture
    def visit(self, cast: Cast) -> Appointment:
        return make.make_appointment(cast.pat, cast.intake, cast.dana, at("09:00", 13), room=cast.room)

    def post(self, client: Client, name: str, visit: Appointment, back: str = "", **more: Any) -> Any:
        return client.post(reverse(f"sessions:{name}", args=[visit.pk]), {"back": back}, **more)

    def test_a_day_at_the_desk(self, cast: Cast, desk: Client, visit: Appointment) -> None:
        page = text_of(self.post(desk, "check_in", visit, follow=True))
        assert "Pat Moreau is checked in." in page
        assert f"/appointments/{visit.pk}/undo-check-in/" in page
        assert "is taken back." in text_of(self.post(desk, "undo_check_in", visit, follow=True))
        self.post(desk, "check_in", visit)
        assert "Pat Moreau is in the room." in text_of(self.post(desk, "start_appointment", visit, follow=True))
        assert "is done." in text_of(self.post(desk, "finish_appointment", visit, follow=True))
        visit.refresh_from_db()
        assert visit.status == "completed"

    def test_a_refusal_is_a_warning_on_the_page(self, cast: Cast, desk: Client, visit: Appointment) -> None:
        page = text_of(self.post(desk, "finish_appointment", visit, follow=True))
        assert "tone-warning" in page
        assert "Only a visit that is under way can be done." in page

    def test_one_tap_on_the_board(self, cast: Cast, desk: Client, visit: Appointment) -> None:
        answer = self.post(desk, "check_in", visit, "today", headers={"HX-Request": "true"})
        assert 'id="board"' in text_of(answer)
        assert "<html" not in text_of(answer)
        assert answer.headers["HX-Trigger"].count("Pat Moreau is checked in.") == 1
        assert f"/appointments/{visit.pk}/undo-check-in/?back=today" in answer.headers["HX-Trigger"]
        again = self.post(desk, "check_in", visit, "today", headers={"HX-Request": "true"})
        assert "checked in already" in again.headers["HX-Trigger"]

    def test_without_scripts_the_board_comes_back(self, cast: Cast, desk: Client, visit: Appointment) -> None:
        assert self.post(desk, "check_in", visit, "today").headers["Location"] == "/today/"
        # Nobody can be sent elsewhere by a link.
        assert "appointments" in self.post(desk, "start_appointment", visit, "https://evil.example").headers["Location"]

    @pytest.mark.parametrize("name", VERBS)
    def test_get_changes_nothing(self, cast: Cast, desk: Client, visit: Appointment, name: str) -> None:
        for method in ("get", "head"):
            assert getattr(desk, method)(reverse(f"sessions:{name}", args=[visit.pk])).status_code == 405

    @pytest.mark.parametrize("name", VERBS)
    def test_strangers_and_roles(
        self, cast: Cast, now: Any, signed_in: SignedIn, visit: Appointment, name: str
    ) -> None:
        """D5, D7, D20: by raw HTTP, without the page's buttons."""
        assert self.post(signed_in(cast.olga), name, visit).status_code == 404
        assert self.post(signed_in(cast.petra), name, visit).status_code == 403
        assert self.post(signed_in(cast.pat_user), name, visit).status_code == 403
        assert self.post(Client(), name, visit).status_code == 302
        visit.refresh_from_db()
        assert (visit.status, visit.version) == ("booked", 1)

    def test_no_post_without_its_token(self, cast: Cast, now: Any, visit: Appointment) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(cast.frida)
        assert self.post(client, "check_in", visit).status_code == 403

    def test_no_show_and_back(self, cast: Cast, desk: Client, visit: Appointment) -> None:
        visit = make.make_appointment(cast.quinn, cast.intake, cast.theo, at("08:30", 13), room=cast.second_room)
        assert "The room and the time are free again." in text_of(self.post(desk, "mark_no_show", visit, follow=True))
        url = reverse("sessions:undo_no_show", args=[visit.pk])
        assert desk.get(url).status_code == 200
        assert desk.post(url, {"because": ""}).status_code == 422
        assert "is planned again." in text_of(desk.post(url, {"because": "Came at 8:55"}, follow=True))
        assert desk.post(url, {"because": "again"}).status_code == 422


class TestAnswerChangeRequest:
    @pytest.fixture
    def wish(self, cast: Cast) -> ChangeRequest:
        visit = book(cast, starts_at=at("10:00", 20))
        return wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="Fridays", now=make.NOON
        )

    def test_refuse_with_an_answer(self, cast: Cast, desk: Client, wish: ChangeRequest) -> None:
        url = reverse("sessions:answer_change_request", args=[wish.pk])
        assert "Fridays" in text_of(desk.get(url))
        assert desk.post(url, {"answer": " "}).status_code == 422
        page = text_of(desk.post(url, {"answer": "Dana is away on Fridays."}, follow=True))
        assert "the visit stays as it is" in page
        wish.refresh_from_db()
        assert (wish.status, wish.answer, wish.answered_by) == ("refused", "Dana is away on Fridays.", cast.frida)
        assert WorkItem.objects.get(kind="change_request").outcome == "refused"
        again = desk.post(url, {"answer": "Twice"})
        assert again.status_code == 422
        assert "Somebody has answered this already." in text_of(again)
        assert AuditEvent.objects.filter(verb="appointment.change_answered").count() == 1

    def test_strangers(self, cast: Cast, now: Any, signed_in: SignedIn, wish: ChangeRequest) -> None:
        url = reverse("sessions:answer_change_request", args=[wish.pk])
        assert signed_in(cast.olga).post(url, {"answer": "x"}).status_code == 404
        assert signed_in(cast.milo).post(url, {"answer": "x"}).status_code == 403
        wish.refresh_from_db()
        assert wish.is_open


class TestPatientVisitsAndChart:
    def test_panel_and_page(self, cast: Cast, desk: Client) -> None:
        book(cast)
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 6))
        url = reverse("sessions:patient_visits", args=[cast.quinn.pk])
        page = text_of(desk.get(url))
        assert page.index("Thu 14 Jan 2027 10:00 MST") < page.index("Past") < page.index("Wed 6 Jan 2027 10:00 MST")
        assert "<html" not in text_of(desk.get(url, headers={"HX-Request": "true"}))

    def test_empty_teaches(self, cast: Cast, desk: Client) -> None:
        assert "No visits yet." in text_of(desk.get(reverse("sessions:patient_visits", args=[cast.quinn.pk])))

    def test_queries(self, cast: Cast, desk: Client) -> None:
        url = reverse("sessions:patient_visits", args=[cast.quinn.pk])
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 14))
        one = queries_of(desk, url)
        for day in range(15, 44):
            make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", day), room=cast.room)
        assert queries_of(desk, url) == one

    def test_the_chart_is_the_care_team_s(self, cast: Cast, now: Any, signed_in: SignedIn) -> None:
        url = reverse("sessions:chart", args=[cast.pat.pk])
        answers = {who: signed_in(getattr(cast, who)).get(url).status_code
                   for who in ("dana", "theo", "nina", "tess", "milo", "petra", "frida", "ada", "omar")}  # fmt: skip
        assert answers == {"dana": 200, "theo": 200, "nina": 200, "tess": 404, "milo": 404, "petra": 404, "frida": 403,
                           "ada": 403, "omar": 404}  # fmt: skip
