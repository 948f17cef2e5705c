"""The schedule: the calendar's JSON and the list say the same, days and hours are the location's, the budget holds."""

import html
import json
import re
import uuid
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from clinic import localtime
from clinic.models import AuditEvent, Closure, TimeOff
from sessions.models import Appointment, OwnView
from sessions.views import daylists
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, queries_of
from .dosing import book_dose, dosing_room, may_be_dosed, monitor, publish_dosing, team

S = Appointment.Status


@pytest.fixture
def desk(cast: Cast, now: Any, signed_in: SignedIn) -> Client:
    return signed_in(cast.frida)


def listed(response: Any) -> list[str]:
    return re.findall(r'<a class="row-link" href="/appointments/[^"]+">([^<]+)</a>', response.content.decode())


def facts(response: Any) -> dict[str, Any]:
    found = re.search(r'<script id="schedule-data" type="application/json">(.*?)</script>', response.content.decode())
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def events(client: Client, page: Any) -> list[list[Any]]:
    answer = client.get(facts(page)["events"])
    assert answer.headers["Content-Type"] == "application/json"
    said = answer.json()
    first = datetime.fromisoformat(facts(page)["date"])
    rows = []
    for pk, start, length, name, kind, room, person, state, tail, version in said["rows"]:
        begins = first + timedelta(minutes=start)
        ends = begins + timedelta(minutes=length)
        rows.append(
            [
                str(uuid.UUID(pk)), f"{begins:%Y-%m-%dT%H:%M}", f"{ends:%Y-%m-%dT%H:%M}", name, said["kinds"][kind - 1],
                said["rooms"][room - 1], said["people"][person - 1], said["states"][state - 1][0], tail, version,
            ]
        )  # fmt: skip
    return rows


@pytest.fixture
def week(cast: Cast) -> list[Appointment]:
    return [
        make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:00", 13), room=cast.room),
        make.make_appointment(cast.quinn, cast.intake, cast.theo, at("10:00", 13), room=cast.second_room),
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("14:00", 15), status=S.CONFIRMED,
                              confirmed_at=make.NOON),
        make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:00", 20), room=cast.room),
        make.make_appointment(cast.sol, cast.intake, cast.omar, at("10:00", 13), room=cast.phoenix_room),
        make.make_appointment(cast.pat, cast.intake, cast.tess, at("16:00", 13), status=S.CANCELLED, cancelled_at=make.NOON,
                              cancelled_by="clinic", cancel_reason="other"),
    ]  # fmt: skip


def test_a_day_by_room(desk: Client, week: list[Appointment]) -> None:
    page = desk.get("/schedule/2027-01-13/?view=day&by=room")
    text = page.content.decode()
    assert listed(page) == ["Pat Moreau", "Quinn Abbott"]
    assert text.index("Aspen</h3>") < text.index("Birch</h3>")
    assert "10:00–11:15" in text
    assert "Wed 13 Jan 2027" in text


def test_a_day_by_person(desk: Client, week: list[Appointment]) -> None:
    text = desk.get("/schedule/2027-01-13/?view=day&by=person").content.decode()
    assert text.index("Dana Deng</h3>") < text.index("Theo Thorne</h3>")


def test_a_week(desk: Client, week: list[Appointment]) -> None:
    page = desk.get("/schedule/2027-01-13/?view=week&by=room")
    assert listed(page) == ["Pat Moreau", "Quinn Abbott", "Quinn Abbott"]
    assert "Week of 11–17 Jan 2027" in page.content.decode()
    assert "No room</h3>" in page.content.decode()


def test_only_one(cast: Cast, desk: Client, week: list[Appointment]) -> None:
    assert listed(desk.get(f"/schedule/2027-01-13/?view=week&by=person&only={cast.theo.pk}")) == ["Quinn Abbott"]
    assert len(listed(desk.get("/schedule/2027-01-13/?view=day&only=junk"))) == 2


@pytest.mark.parametrize(
    "query", ["view=day&by=room", "view=day&by=person", "view=week&by=room", "view=week&by=person"]
)
def test_the_calendar_and_the_list_say_the_same(desk: Client, week: list[Appointment], query: str) -> None:
    page = desk.get(f"/schedule/2027-01-13/?{query}")
    assert sorted(row[3] for row in events(desk, page)) == sorted(listed(page))


def test_rows_are_on_the_wall_clock(cast: Cast, desk: Client, week: list[Appointment]) -> None:
    cast.intake.turnover_minutes = 15
    cast.intake.save()
    rows = events(desk, desk.get("/schedule/2027-01-13/?view=day"))
    assert rows[0] == [
        str(week[0].pk), "2027-01-13T10:00", "2027-01-13T11:15", "Pat Moreau", "Intake", str(cast.room.pk),
        str(cast.dana.pk), "booked", 15, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(("day", "hours"), [(date(2027, 3, 14), 23), (date(2027, 11, 7), 25)])
def test_days_with_another_length(cast: Cast, desk: Client, day: date, hours: int) -> None:
    """The last visit of a long day belongs to it, the first of the next does not, and ten is ten."""
    start, end = localtime.day_bounds(day, cast.denver.tz)
    assert end - start == timedelta(hours=hours)
    make.make_appointment(cast.pat, cast.intake, cast.dana, end - timedelta(minutes=15))
    make.make_appointment(cast.quinn, cast.intake, cast.theo, end)
    ten = localtime.at(day, at("10:00").astimezone(cast.denver.tz).time(), cast.denver.tz)
    make.make_appointment(make.make_patient(cast.denver, "Ten"), cast.intake, cast.tess, ten)
    page = desk.get(f"/schedule/{day}/?view=day&by=person")
    assert sorted(listed(page)) == ["Pat Moreau", "Ten Example"]
    assert f"{day}T10:00" in {row[1] for row in events(desk, page)}


def test_what_is_shut_is_shaded(cast: Cast, desk: Client) -> None:
    data = facts(desk.get("/schedule/2027-01-13/?view=day&by=room"))
    assert data["shut"] == [
        ["2027-01-13T00:00", "2027-01-13T08:00", ""], ["2027-01-13T18:00", "2027-01-14T00:00", ""],
    ]  # fmt: skip
    assert (data["from"], data["to"]) == ("07:00", "19:00")
    by_person = facts(desk.get("/schedule/2027-01-13/?view=day&by=person"))
    assert ["2027-01-13T17:00", "2027-01-14T00:00", str(cast.dana.pk)] in by_person["shut"]


def test_the_choice_is_remembered(desk: Client) -> None:
    desk.get("/schedule/2027-01-13/?view=week&by=person")
    assert facts(desk.get("/schedule/"))["view"] == "week"
    assert facts(desk.get("/schedule/?view=nonsense&by=1"))["view"] == "day"


def test_ones_own_view_is_kept_on_every_device(
    cast: Cast, desk: Client, now: Any, signed_in: SignedIn, week: list[Appointment]
) -> None:
    desk.get("/schedule/2027-01-13/?view=week&by=person")
    # Looking keeps nothing beyond this session.
    assert facts(signed_in(cast.frida).get("/schedule/2027-01-13/"))["view"] == "day"
    kept = {"view": "week", "by": "person", "only": [str(cast.theo.pk), "junk"], "day": "2027-01-13"}
    answer = desk.post("/schedule/keep/", kept)
    assert answer.headers["Location"] == f"/schedule/2027-01-13/?view=week&by=person&only={cast.theo.pk}"
    assert "Opens like this for you" in desk.get(answer.headers["Location"]).content.decode()
    tablet = signed_in(cast.frida)
    page = tablet.get("/schedule/2027-01-13/")
    assert listed(page) == ["Quinn Abbott"]
    assert (facts(page)["view"], facts(page)["by"]) == ("week", "person")
    # A look aside is not kept, what is unknown means the default, and nobody else's schedule opens like it.
    assert "Open like this" in tablet.get("/schedule/2027-01-13/?view=day").content.decode()
    assert (
        desk.post("/schedule/keep/", {"view": "x", "day": "2027-02-30"})
        .headers["Location"]
        .endswith("?view=day&by=room")
    )
    assert OwnView.objects.filter(user=cast.frida, span="day", grouping="room", only=[]).count() == 1
    assert not OwnView.objects.exclude(user=cast.frida).exists()


def test_what_was_chosen_at_another_place_hides_nothing_here(cast: Cast, desk: Client, week: list[Appointment]) -> None:
    desk.get(f"/schedule/2027-01-13/?view=day&by=room&only={cast.room.pk}")
    assert listed(desk.get("/schedule/2027-01-13/")) == ["Pat Moreau"]
    session = desk.session
    session["schedule"] = {**session["schedule"], "only": [str(cast.phoenix_room.pk)]}
    session.save()
    page = desk.get("/schedule/2027-01-13/")
    assert listed(page) == ["Pat Moreau", "Quinn Abbott"]
    assert "All rooms" in page.content.decode()


def test_empty_teaches(desk: Client) -> None:
    assert "No visits here." in desk.get("/schedule/2027-01-16/").content.decode()


@pytest.mark.parametrize("path", ["2027-13-01", "2027-02-30", "x", "2027-1-1"])
def test_no_such_day(desk: Client, path: str) -> None:
    assert desk.get(f"/schedule/{path}/").status_code == 404


def test_names_cannot_break_out(cast: Cast, desk: Client) -> None:
    """D10: in the list, in the page's data block and in the JSON."""
    evil = make.make_patient(cast.denver, "</script><b>", "\u2028'\"<img src=x>")
    make.make_appointment(evil, cast.intake, cast.dana, at("10:00", 13))
    page = desk.get("/schedule/2027-01-13/?view=day")
    assert "<b> " not in page.content.decode().split("<main")[1]
    assert "&lt;/script&gt;&lt;b&gt; " in page.content.decode()
    assert events(desk, page)[0][3].startswith("</script><b>")


def test_phoenix_sees_phoenix(cast: Cast, now: Any, signed_in: SignedIn, week: list[Appointment]) -> None:
    client = signed_in(cast.olga)
    page = client.get(f"/schedule/2027-01-13/?view=week&location={cast.denver.pk}")
    assert listed(page) == ["Sol Serrano"]
    assert [row[3] for row in events(client, page)] == ["Sol Serrano"]
    # Another place's room as a filter finds nothing.
    assert listed(client.get(f"/schedule/2027-01-13/?by=room&only={cast.room.pk}")) == []


def test_doors(cast: Cast, now: Any, signed_in: SignedIn) -> None:
    for path in ("/schedule/", "/schedule/2027-01-13/events/"):
        assert Client().get(path).status_code == 302
        assert signed_in(cast.pat_user).get(path).status_code == 403
        assert signed_in(cast.petra).get(path).status_code == 200


def test_names_shown_are_written_down(cast: Cast, desk: Client, week: list[Appointment]) -> None:
    desk.get("/schedule/2027-01-13/?view=day")
    event = AuditEvent.objects.get(verb="list.read")
    assert set(event.details["patients"]) == {str(cast.pat.pk), str(cast.quinn.pk)}


class TestVisitsOfSeveral:
    @pytest.fixture
    def dose(self, cast: Cast) -> Appointment:
        publish_dosing(cast)
        pat = may_be_dosed(cast, cast.pat)
        return book_dose(cast, pat, team(cast, monitor(cast)), dosing_room(cast))

    def test_each_who_takes_part_has_a_row_for_their_stretch(self, desk: Client, dose: Appointment) -> None:
        page = desk.get("/schedule/2027-01-14/?view=day&by=person")
        text = page.content.decode()
        rows = dict(re.findall(r'<h3 class="h4">([^<]+)</h3>.*?<li><b>([^<]+)<', text, re.DOTALL))
        # The prescriber around the dose, not while only in the house; whoever watches from the dose to the end.
        assert rows == {"Theo Thorne": "10:00–12:30", "Dana Deng": "10:15–10:45", "Milo Marsh": "10:30–12:30"}
        assert "10:30 Dosing: Theo Thorne (therapist), Dana Deng (prescriber), Milo Marsh (monitor)" in text
        assert facts(page)["teams"][str(dose.pk)]["parts"] == [
            ["Preparation", 0, 30], ["Dosing", 30, 105], ["Integration", 105, 150],
        ]  # fmt: skip

    def test_chosen_down_to_whoever_helps(self, cast: Cast, desk: Client, dose: Appointment) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("14:00"), room=cast.room)
        page = desk.get(f"/schedule/2027-01-14/?view=day&by=person&only={cast.milo.pk}&only={cast.nina.pk}")
        assert listed(page) == ["Pat Moreau"]
        assert [row[3] for row in events(desk, page)] == ["Pat Moreau"]
        assert [one["title"] for one in facts(page)["resources"]] == ["Milo Marsh", "Nina Novak"]

    def test_a_month_counts_hours_and_no_names(self, cast: Cast, desk: Client, dose: Appointment) -> None:
        """195 minutes of the room of three that are open for ten hours; who is in the house is not taken."""
        text = " ".join(desk.get("/schedule/2027-01-14/?view=month&by=room").content.decode().split())
        row = text.split("Thu 14 Jan 2027</a></th>")[1].split("</tr>")[0]
        assert re.findall(r">([^<>]+)</td>", row) == ["1", "3.2 h", "30.0 h", "11 %", "Room left"]
        assert "Moreau" not in text
        by_person = " ".join(desk.get("/schedule/2027-01-14/?view=month&by=person").content.decode().split())
        row = by_person.split("Thu 14 Jan 2027</a></th>")[1].split("</tr>")[0]
        # Theo 150, Dana 30, Milo 60 and 90 minutes.
        assert re.findall(r">([^<>]+)</td>", row)[1] == "5.5 h"


def test_what_is_shut_who_is_away_and_what_is_kept_is_said(cast: Cast, desk: Client) -> None:
    begin, end = localtime.day_bounds(date(2027, 1, 14), cast.denver.tz)
    Closure.objects.create(
        location=cast.denver, name="Founders' day", during=(begin, end), entered_by=cast.felix, entered_at=make.NOON
    )
    TimeOff.objects.create(
        user=cast.dana, during=(at("12:00", 15), at("14:00", 15)), entered_by=cast.felix, entered_at=make.NOON
    )
    make.make_appointment(
        cast.pat, cast.intake, cast.theo, at("10:00", 15), room=cast.room, status=S.HELD, held_until=at("09:30", 14)
    )
    page = desk.get("/schedule/2027-01-13/?view=week&by=person")
    text = html.unescape(page.content.decode())
    assert "Shut: Founders' day, Thu 14 Jan 2027." in text
    assert "Away: Dana Deng, Fri 15 Jan 2027, 12:00 to 14:00 MST." in text
    assert "On hold until 09:30" in " ".join(text.split())
    assert ["2027-01-15T12:00", "2027-01-15T14:00", str(cast.dana.pk), "Away"] in facts(page)["named"]
    month = html.unescape(desk.get("/schedule/2027-01-13/?view=month").content.decode())
    assert '<span class="month-word">Founders\' day</span>' in month


def test_a_day_with_another_length_says_so(desk: Client) -> None:
    assert "Sun 14 Mar 2027, which has 23 hours" in desk.get("/schedule/2027-03-14/?view=week").content.decode()
    assert "Sun 7 Nov 2027, which has 25 hours" in desk.get("/schedule/2027-11-20/?view=month").content.decode()
    assert "The clocks change" not in desk.get("/schedule/2027-01-14/?view=week").content.decode()


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [("2027-01-31/?view=month", "2026-12-31", "2027-02-01"), ("2027-01-13/?view=week", "2027-01-06", "2027-01-20")],
)
def test_the_stretch_before_and_after(desk: Client, path: str, before: str, after: str) -> None:
    text = desk.get(f"/schedule/{path}").content.decode()
    assert f'href="/schedule/{before}/' in text
    assert f'href="/schedule/{after}/' in text


def test_moving_from_the_list(cast: Cast, desk: Client, now: Any, signed_in: SignedIn, week: list[Appointment]) -> None:
    text = desk.get("/schedule/2027-01-13/?view=day").content.decode()
    assert f'href="/appointments/{week[0].pk}/reschedule/" aria-label="Move Pat Moreau, 10:00–11:15">Move<' in text
    # Whoever may only read has no such link, and nothing to drag.
    page = signed_in(cast.petra).get("/schedule/2027-01-13/?view=day")
    assert "/reschedule/" not in page.content.decode()
    assert facts(page)["move"] == []


class TestBudget:
    def fill(self, cast: Cast, count: int) -> None:
        people = [make.make_user(f"Alexandra{n} Thorne-Whitfield") for n in range(10)]
        for n in range(count):
            patient = make.make_patient(cast.denver, f"Siobhan{n}", "Castellanos")
            start = at("08:00", 11 + n // 10 % 5) + timedelta(minutes=75 * (n // 50))
            make.make_appointment(patient, cast.intake, people[n % 10], start)

    @pytest.mark.parametrize(
        "path", ["/schedule/2027-01-13/?view=week&by=person", "/schedule/2027-01-13/events/?view=week"]
    )
    def test_queries(self, cast: Cast, desk: Client, path: str) -> None:
        self.fill(cast, 1)
        one = queries_of(desk, path)
        self.fill(cast, 29)
        assert queries_of(desk, path) == one

    def test_a_week_of_five_hundred(self, cast: Cast, desk: Client) -> None:
        """W8: 50 kB for the calendar's rows as for the page with its list, and three queries besides session and user.

        Names are as long as real ones. Its days are counted in the list, and each is one press away.
        """
        people = [make.make_user(f"Alexandra{n} Thorne-Whitfield") for n in range(10)]
        rooms = [make.make_room(cast.denver, f"Consulting room {n}") for n in range(10)]
        patients = [make.make_patient(cast.denver, f"Siobhan{n}", "Castellanos") for n in range(100)]
        for n in range(500):
            make.make_appointment(
                patients[n // 5], cast.intake, people[n // 5 % 10],
                at("07:00", 11 + n % 5) + timedelta(minutes=75 * (n // 50)), room=rooms[n // 5 % 10],
            )  # fmt: skip
        path = "/schedule/2027-01-13/events/?view=week"
        answer = desk.get(path)
        assert len(answer.json()["rows"]) == 500
        assert len(answer.content) <= 50_000
        assert queries_of(desk, path) <= 3
        reads = AuditEvent.objects.filter(verb="list.read")
        before = reads.count()
        for by in ("room", "person"):
            page = desk.get(f"/schedule/2027-01-13/?view=week&by={by}")
            text = page.content.decode()
            assert len(page.content) <= 50_000, by
            assert text.count("List these 100 visits") == 5
            assert ("Consulting room 0 10 · " if by == "room" else "Alexandra0 Thorne-Whitfield 10 · ") in text
            # What was not shown was not read; by the links one day is listed, and the others stay counted.
            assert listed(page) == []
        assert reads.count() == before
        one = desk.get("/schedule/2027-01-14/?view=week&by=room&whole=on")
        assert 'id="day-2027-01-14" tabindex="-1"' in one.content.decode()
        assert len(listed(one)) == 100
        assert one.content.decode().count("List these 100 visits") == 4

    def test_a_week_of_as_many_as_fit_is_listed_whole(self, cast: Cast, desk: Client) -> None:
        self.fill(cast, daylists.MOST_ROWS)
        page = desk.get("/schedule/2027-01-13/?view=week&by=person")
        assert len(listed(page)) == daylists.MOST_ROWS
        assert len(page.content) <= 50_000
        assert "List these" not in page.content.decode()
