"""Today: who is where, the budget of a hot page, and a board that refreshes itself without keeping anybody signed in."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from assessments.models import Packet, PacketSection
from clinic.actions import worklist
from clinic.models import AuditEvent, Role, WorkItem
from sessions.actions import wishes
from sessions.models import Appointment, ChangeRequest
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, queries_of

S = Appointment.Status


@pytest.fixture
def desk(cast: Cast, now: Any, signed_in: SignedIn) -> Client:
    return signed_in(cast.frida)


def columns(response: Any) -> dict[str, list[str]]:
    """Return the names of the people in each column."""
    found = {}
    for part in response.content.decode().split('<section class="board-column"')[1:]:
        key = re.search(r'id="col-(\w+)"', part)
        assert key
        found[key.group(1)] = re.findall(r'<a id="v[^>]*>([^<]+)<', part)
    return found


def visit_at(cast: Cast, clock: str, name: str, **fields: Any) -> Appointment:
    return make.make_appointment(
        make.make_patient(cast.denver, name), cast.intake, make.make_user(), at(clock, 13), **fields
    )


def test_everybody_is_in_the_column_of_their_state(cast: Cast, desk: Client) -> None:
    """It is 09:00."""
    visit_at(cast, "09:00", "Ontime")
    visit_at(cast, "10:00", "Sure", status=S.CONFIRMED, confirmed_at=at("08:00", 12))
    visit_at(cast, "08:50", "Tardy")
    visit_at(cast, "08:30", "Waiting", status=S.CHECKED_IN, checked_in_at=at("08:45", 13))
    visit_at(cast, "08:00", "Inside", status=S.IN_PROGRESS, checked_in_at=at("08:00", 13), started_at=at("08:05", 13))
    visit_at(cast, "08:00", "Through", status=S.COMPLETED, finished_at=at("08:55", 13))
    visit_at(cast, "08:00", "Missing", status=S.NO_SHOW, no_show_at=at("08:20", 13))
    visit_at(cast, "11:00", "Off", status=S.CANCELLED, cancelled_at=at("08:00", 12), cancelled_by="clinic",
             cancel_reason="other")  # fmt: skip
    visit_at(cast, "12:00", "Mistake", status=S.ENTERED_IN_ERROR)
    make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 14))
    page = desk.get("/today/")
    assert columns(page) == {
        "arriving": ["Ontime Example", "Sure Example"],
        "late": ["Tardy Example"],
        "here": ["Waiting Example"],
        "in_room": ["Inside Example", "Through Example"],
    }
    text = page.content.decode()
    for words in ("10 min late", "waiting 15 min", "Confirmed", "Not coming", "Missing Example", "Off Example"):
        assert words in text
    assert "Mistake" not in text
    assert "Quinn Abbott" not in text


def test_the_clinic_s_own_delay_is_told_with_its_reason(cast: Cast, desk: Client, signed_in: SignedIn) -> None:
    """It is 09:00: Dana's visit of 07:25 should have ended at 08:40. Nobody else's name is told, nothing is moved."""
    inside = make.make_appointment(
        cast.pat, cast.intake, cast.dana, at("07:25", 13), status=S.IN_PROGRESS, checked_in_at=at("07:20", 13),
        started_at=at("07:25", 13),
    )  # fmt: skip
    waits = make.make_appointment(cast.quinn, cast.intake, cast.dana, inside.ends_at)
    page = desk.get("/today/").content.decode()
    assert "About 20 min behind</span>Dana’s 07:25 is past its end" in page
    assert "20 min past its end" in page
    assert page.count("min behind") == 1
    waits.refresh_from_db()
    assert waits.starts_at == inside.ends_at
    # Told from the whole day, whoever's visits are shown; and nothing of it elsewhere.
    assert "About 20 min behind" in signed_in(cast.dana).get("/today/?mine=1&by=time").content.decode()
    assert "min behind" not in signed_in(cast.olga).get("/today/").content.decode()


def test_in_the_room_stands_above_done_and_leaving_says_when(cast: Cast, desk: Client) -> None:
    gone = {"checked_in_at": at("08:00", 13), "finished_at": at("08:30", 13)}
    visit_at(cast, "08:00", "Through", status=S.COMPLETED, started_at=at("08:00", 13), **gone)
    visit_at(cast, "08:05", "Unseen", status=S.LEFT, **gone)
    visit_at(cast, "08:10", "Seen", status=S.LEFT, started_at=at("08:10", 13), **gone)
    visit_at(cast, "08:30", "Inside", status=S.IN_PROGRESS, checked_in_at=at("08:30", 13), started_at=at("08:30", 13))
    page = desk.get("/today/")
    assert [name.split()[0] for name in columns(page)["in_room"]] == ["Inside", "Through", "Unseen", "Seen"]
    # Who was never seen is not shown as done.
    assert page.content.decode().count('<span class="status status-late">Left before being seen</span>') == 1


def test_did_not_come_is_offered_from_its_minute_on(cast: Cast, signed_in: SignedIn) -> None:
    visit_at(cast, "09:00", "Tardy")
    for clock, offered in (("09:14", False), ("09:15", True)):
        with time_machine.travel(at(clock, 13), tick=False):
            assert ("/no-show/" in signed_in(cast.frida).get("/today/").content.decode()) is offered


def test_buttons_follow_the_role(cast: Cast, now: Any, signed_in: SignedIn) -> None:
    visit_at(cast, "10:00", "Soon")
    visit_at(cast, "08:30", "Waiting", status=S.CHECKED_IN, checked_in_at=at("08:45", 13))
    for who, expected in (("frida", {"check-in", "start", "left"}), ("milo", {"check-in", "start", "left"}),
                          ("dana", {"start", "left"}), ("petra", set())):  # fmt: skip
        page = signed_in(getattr(cast, who)).get("/today/").content.decode()
        assert set(re.findall(r'formaction="/appointments/[0-9a-f-]{36}/([a-z-]+)/"', page)) == expected, who


def test_mine_is_mine(cast: Cast, now: Any, signed_in: SignedIn) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:00", 13))
    make.make_appointment(cast.quinn, cast.intake, cast.theo, at("10:00", 13))
    assert columns(signed_in(cast.dana).get("/today/?mine=1"))["arriving"] == ["Pat Moreau"]


def test_another_location_is_another_day(cast: Cast, now: Any, signed_in: SignedIn) -> None:
    """D4, D5: Phoenix sees Phoenix, whatever is asked."""
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:00", 13))
    make.make_appointment(cast.sol, cast.intake, cast.omar, at("11:00", 13))
    page = signed_in(cast.olga).get(f"/today/?location={cast.denver.pk}")
    assert columns(page)["arriving"] == ["Sol Serrano"]


def test_empty_teaches(desk: Client) -> None:
    assert "No visits today." in desk.get("/today/").content.decode()


def test_a_wish_is_on_the_card(cast: Cast, desk: Client) -> None:
    visit = make.make_appointment(cast.quinn, cast.intake, cast.dana, at("16:00", 13))
    wishes.ask_change(
        by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=at("09:00", 11)
    )
    assert "Asks to change" in desk.get("/today/").content.decode()


def test_the_names_shown_are_written_down(cast: Cast, desk: Client) -> None:
    make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 13))
    desk.get("/today/")
    desk.get("/today/")
    event = AuditEvent.objects.get(verb="list.read")
    assert event.details == {"list": "today", "patients": [str(cast.quinn.pk)]}


class TestSameName:
    """Two people who look alike on the board are told apart by their birth dates; who stands alone is not."""

    def both(self, cast: Cast, one: tuple[str, str], other: tuple[str, str], **fields: Any) -> None:
        for clock, (given, family), born in (("10:00", one, date(1980, 3, 4)), ("11:00", other, date(1991, 11, 2))):
            patient = make.make_patient(cast.denver, given, family, birth_date=born, **fields)
            make.make_appointment(patient, cast.intake, make.make_user(), at(clock, 13))

    @pytest.mark.parametrize("other", [("Ana", "Núñez"), ("ana", "NUNEZ"), ("Ána", "Nu’nez")])
    @pytest.mark.parametrize("path", ["/today/", "/today/?by=time", "/today/board/"])
    def test_marked(self, cast: Cast, desk: Client, other: tuple[str, str], path: str) -> None:
        self.both(cast, ("Ana", "Nunez"), other)
        page = desk.get(path).content.decode()
        assert page.count("Same name") == 2
        assert "born 4 Mar 1980" in page
        assert "born 2 Nov 1991" in page

    def test_others_are_not(self, cast: Cast, desk: Client) -> None:
        self.both(cast, ("Ana", "Nunez"), ("Anna", "Nunez"))
        page = desk.get("/today/").content.decode()
        assert "Same name" not in page
        assert "born" not in page

    def test_one_person_twice_is_nobody_s_double(self, cast: Cast, desk: Client) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 13))
        make.make_appointment(cast.quinn, cast.intake, cast.theo, at("14:00", 13))
        assert "Same name" not in desk.get("/today/").content.decode()

    def test_by_what_they_are_called(self, cast: Cast, desk: Client) -> None:
        """What is on the board has to differ, whatever is in the passport."""
        self.both(cast, ("Robert", "Lee"), ("Bert", "Lee"), chosen_name="Bo")
        assert desk.get("/today/").content.decode().count("Same name") == 2

    def test_the_other_may_be_somebody_else_s_patient(self, cast: Cast, now: Any, signed_in: SignedIn) -> None:
        namesake = make.make_patient(cast.denver, "Quinn", "Abbott", birth_date=date(1970, 1, 1))
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 13))
        make.make_appointment(namesake, cast.intake, cast.theo, at("11:00", 13))
        page = signed_in(cast.dana).get("/today/?mine=1").content.decode()
        assert page.count("Same name") == 1
        assert "1 Jan 1970" not in page

    def test_also_when_one_is_not_coming(self, cast: Cast, desk: Client) -> None:
        self.both(cast, ("Ana", "Nunez"), ("Ana", "Nunez"))
        first = Appointment.objects.order_by("starts_at").first()
        assert first is not None
        Appointment.objects.filter(pk=first.pk).update(status=S.NO_SHOW, no_show_at=at("10:20", 13))
        page = desk.get("/today/").content.decode()
        assert page.count("Same name") == 2
        assert page.index("born 2 Nov 1991") < page.index("Not coming") < page.index("born 4 Mar 1980")

    def test_no_query_more(self, cast: Cast, desk: Client) -> None:
        visit_at(cast, "10:00", "Soon")
        alone = queries_of(desk, "/today/")
        for _ in range(15):
            self.both(cast, ("Ana", "Nunez"), ("Ana", "Nunez"))
        assert desk.get("/today/").content.decode().count("Same name") == 30
        assert queries_of(desk, "/today/") == alone


class TestByTime:
    def fill(self, cast: Cast) -> None:
        """It is 09:00."""
        visit_at(cast, "08:30", "Waiting", status=S.CHECKED_IN, checked_in_at=at("08:45", 13))
        visit_at(cast, "08:50", "Tardy")
        visit_at(cast, "09:59", "Early")
        visit_at(cast, "10:00", "Mid", status=S.CONFIRMED, confirmed_at=at("08:00", 12))
        visit_at(cast, "12:00", "Noon")
        visit_at(cast, "14:59", "Ante")
        visit_at(cast, "15:00", "Late")
        visit_at(cast, "11:00", "Missing", status=S.NO_SHOW, no_show_at=at("08:20", 13))

    def test_the_columns_are_parts_of_the_day(self, cast: Cast, desk: Client) -> None:
        self.fill(cast)
        page = desk.get("/today/?by=time")
        assert columns(page) == {
            "from_0": ["Waiting Example", "Tardy Example", "Early Example"],
            "from_10": ["Mid Example"],
            "from_12": ["Noon Example", "Ante Example"],
            "from_15": ["Late Example"],
        }
        text = re.sub(r"\s+", " ", page.content.decode())
        assert text.index("Not coming") < text.index("Missing Example")
        # The column no longer says the state, so the card does.
        for words in ("Here", "waiting 15 min", "10 min late", "Planned"):
            assert f"{words}</span>" in text
        # When they said so: yesterday.
        assert "<b>Confirmed Tue</b>" in text
        assert re.search(r'id="col-from_0"><span>Before 10:00</span><span class="chip tone-teal">now</span>', text)

    def test_the_hours_are_the_location_s(self, cast: Cast, now: Any, signed_in: SignedIn) -> None:
        """16:30 UTC is 09:30 in Denver and in Phoenix, and no later part of the day."""
        make.make_appointment(cast.sol, cast.intake, cast.omar, at("09:30", 13))
        assert columns(signed_in(cast.olga).get("/today/?by=time"))["from_0"] == ["Sol Serrano"]

    def test_each_link_keeps_the_other_choice(self, cast: Cast, desk: Client) -> None:
        self.fill(cast)
        page = desk.get("/today/?by=time&mine=1").content.decode()
        assert set(re.findall(r'<a href="(/today/[^"]*)"', page)) >= {
            "/today/?by=time", "/today/?mine=1&amp;by=time", "/today/?mine=1",
        }  # fmt: skip
        assert page.count(' aria-current="page">Mine<') == 1
        assert page.count(' aria-current="page">By time<') == 1

    def test_the_poll_and_the_taps_keep_it(self, cast: Cast, desk: Client) -> None:
        self.fill(cast)
        page = desk.get("/today/?by=time").content.decode()
        poll = re.search(r'hx-get="([^"]+)" hx-trigger="every 20s"', page)
        assert poll
        assert desk.get(poll.group(1).replace("&amp;", "&")).status_code == 204
        assert '<input type="hidden" name="by" value="time">' in page
        visit = Appointment.objects.get(patient__given_name="Noon")
        url = reverse("sessions:check_in", args=[visit.pk])
        answer = desk.post(url, {"back": "today", "by": "time"}, headers={"HX-Request": "true"})
        assert columns(answer)["from_12"] == ["Noon Example", "Ante Example"]
        assert f"{reverse('sessions:undo_check_in', args=[visit.pk])}?back=today&by=time" in answer["HX-Trigger"]

    def test_it_is_kept_without_scripts(self, cast: Cast, desk: Client) -> None:
        self.fill(cast)
        visit = Appointment.objects.get(patient__given_name="Noon")
        answer = desk.post(reverse("sessions:check_in", args=[visit.pk]), {"back": "today", "by": "time", "mine": "1"})
        assert answer["Location"] == "/today/?mine=1&by=time"
        back = desk.post(reverse("sessions:undo_check_in", args=[visit.pk]) + "?back=today&mine=1&by=time")
        assert back["Location"] == "/today/?mine=1&by=time"

    @pytest.mark.parametrize("asked", ["?by=", "?by=room", "?by=time&by=state", "?mine=2", "?by=%00"])
    def test_nonsense_is_a_page(self, desk: Client, asked: str) -> None:
        assert desk.get(f"/today/{asked}").status_code == 200


class TestWorkWaiting:
    def test_counts_and_ages_by_kind(self, cast: Cast, desk: Client) -> None:
        for hours in (30, 2):
            referral = make.make_referral(cast.denver)
            worklist.open_item(
                by=cast.sam, kind=WorkItem.Kind.REFERRAL, location=cast.denver, subject_type="referral",
                subject_id=referral.pk, owner_role=Role.FRONT_DESK, due_at=make.NOON,
                now=make.NOON - timedelta(hours=hours),
            )  # fmt: skip
        page = re.sub(r"\s+", " ", desk.get("/today/").content.decode())
        assert "New enquiry" in page
        assert "oldest 30 h" in page

    def test_nothing_waits(self, desk: Client) -> None:
        assert "Nothing waits for you." in desk.get("/today/").content.decode()


class TestBoard:
    def test_says_nothing_while_nothing_changed(self, cast: Cast, desk: Client) -> None:
        visit_at(cast, "10:00", "Soon")
        version = re.search(r"\?v=(\w+)", desk.get("/today/").content.decode())
        assert version
        assert desk.get(f"/today/board/?v={version.group(1)}").status_code == 204
        visit_at(cast, "11:00", "Later")
        answer = desk.get(f"/today/board/?v={version.group(1)}")
        assert columns(answer)["arriving"] == ["Soon Example", "Later Example"]
        assert "<html" not in answer.content.decode()

    def test_time_alone_changes_it(self, cast: Cast, signed_in: SignedIn) -> None:
        visit_at(cast, "10:00", "Soon")
        with time_machine.travel(at("09:59", 13), tick=False):
            version = re.search(r"\?v=(\w+)", signed_in(cast.frida).get("/today/").content.decode())
        assert version
        with time_machine.travel(at("10:01", 13), tick=False):
            answer = signed_in(cast.frida).get(f"/today/board/?v={version.group(1)}")
        assert columns(answer)["late"] == ["Soon Example"]

    def test_it_never_keeps_anybody_signed_in(self, cast: Cast, signed_in: SignedIn) -> None:
        """D18: the page polls all day; the person has been gone for a quarter of an hour."""
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            client.get("/today/")
            for _minute in range(14):
                clock.shift(timedelta(minutes=1))
                assert client.get("/today/board/?v=x").status_code == 200
            clock.shift(timedelta(minutes=2))
            assert client.get("/today/board/?v=x&mine=1&skip_timeout_reset=1").status_code == 302

    def test_signed_out_it_leads_to_the_door(self) -> None:
        assert Client().get(reverse("sessions:today_board")).status_code == 302


class TestBudget:
    """performance.md, W1: four queries besides session and user; 40 kB for sixty visits."""

    def fill(self, cast: Cast, count: int, first: str = "09:30") -> None:
        for n in range(count):
            patient = make.make_patient(cast.denver, f"Siobhan{n}", "Castellanos")
            make.make_appointment(
                patient, cast.intake, make.make_user(f"Dana{n} Deng"), at(first, 13) + timedelta(minutes=5 * n),
                room=make.make_room(cast.denver), status=S.CONFIRMED, confirmed_at=make.NOON,
            )  # fmt: skip

    @pytest.mark.parametrize("path", ["/today/", "/today/board/", "/today/?by=time"])
    def test_queries(self, cast: Cast, desk: Client, path: str) -> None:
        self.fill(cast, 1)
        one = queries_of(desk, path)
        self.fill(cast, 29)
        assert queries_of(desk, path) == one
        # The user comes with the session; what is left is memberships, visits, work waiting, the bell.
        assert one <= 5

    def test_bytes(self, cast: Cast, desk: Client) -> None:
        self.fill(cast, 60)
        page = desk.get("/today/")
        assert len(columns(page)["arriving"]) == 60
        assert len(page.content) <= 40_000

    def test_bytes_of_a_morning_on_which_nobody_was_checked_in(self, cast: Cast, desk: Client) -> None:
        """Every second card is late, with all that can be said and done about it."""
        self.fill(cast, 60, "06:30")
        page = desk.get("/today/")
        assert len(columns(page)["late"]) >= 25
        assert len(page.content) <= 50_000


class TestPapers:
    """Packet and consents in words, only what the reader may know on the patient's own page."""

    def test_what_is_to_do_and_what_is_done(self, cast: Cast, desk: Client) -> None:
        make.make_consent_text(cast.dana, cast.denver)
        visit = make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 13))
        assert words_of(desk) == ["Packet: not sent", "Consent to sign"]
        packet = make.make_packet(cast.quinn, cast.frida)
        assert words_of(desk)[0] == "Packet: not begun"
        Packet.objects.filter(pk=packet.pk).update(status="in_progress", begun_at=make.NOON)
        for code in ("about_you", "contacts"):
            PacketSection.objects.create(packet=packet, code=code, done_at=make.NOON)
        PacketSection.objects.create(packet=packet, code="history")
        assert words_of(desk)[0] == "Packet: 2 of 8 parts"
        Packet.objects.filter(pk=packet.pk).update(expires_at=make.NOON - timedelta(days=1))
        assert words_of(desk)[0] == "Packet: ran out"
        Packet.objects.filter(pk=packet.pk).update(status="submitted", settled_at=make.NOON)
        assert words_of(desk) == ["Consent to sign"]
        assert "Packet handed in" in desk.get("/today/").content.decode()
        Appointment.objects.filter(pk=visit.pk).update(status=S.COMPLETED, finished_at=make.NOON)
        assert words_of(desk) == []

    @pytest.mark.parametrize(
        ("who", "knows"), [("frida", True), ("milo", True), ("theo", True), ("petra", False), ("ada", False)]
    )
    def test_who_may_know(self, cast: Cast, now: Any, signed_in: SignedIn, who: str, knows: bool) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 13))
        assert bool(words_of(signed_in(getattr(cast, who)))) is knows

    def test_not_of_another_location_s_patient(self, cast: Cast, desk: Client) -> None:
        """Sol's home is Phoenix: Denver's desk sees the visit, and nothing of the record behind it."""
        cast.sol.needs_interpreter, cast.sol.access_needs = True, "Ground floor"
        cast.sol.save()
        visit = make.make_appointment(cast.sol, cast.intake, cast.dana, at("10:00", 13), location=cast.denver)
        page = desk.get("/today/").content.decode()
        assert str(visit.pk) in page
        assert words_of(desk) == []
        assert "Interpreter" not in page
        assert "Ground floor" not in page

    def test_an_interpreter_and_access_needs(self, cast: Cast, desk: Client) -> None:
        patient = make.make_patient(
            cast.denver, "Ines", needs_interpreter=True, language="es", access_needs="Wheelchair, " + "a wide door " * 5
        )
        make.make_appointment(patient, cast.intake, cast.dana, at("10:00", 13))
        page = desk.get("/today/").content.decode()
        assert "Interpreter: Spanish</span>" in page
        # What is cut off says so.
        assert "Wheelchair, a wide door a wide door" in page
        assert "…</span>" in page


def words_of(client: Client) -> list[str]:
    """Return what is to be done before the visits of the day, as the board says it."""
    found = re.findall("<em>([^<]+)</em>", client.get("/today/").content.decode())
    return [words for line in found for words in line.split(" · ")]
