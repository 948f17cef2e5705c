"""Closures and time off are entered over booked visits only by somebody who was told how many there are."""

import re
import threading
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic import bookings
from clinic.actions import hours
from clinic.models import Closure, Role, TimeOff, WorkItem
from sessions.actions import placing, recalls
from sessions.models import Appointment
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from .booking import TEN, at, book, in_thread, queries_of

DAY = TEN.date()


def shut(cast: Cast, **changes: Any) -> Closure:
    values = {"by": cast.ada, "location": cast.denver, "name": "Snow", "first": DAY, "last": DAY, "now": make.NOON}
    return hours.enter_closure(**{**values, **changes})


def go_away(cast: Cast, **changes: Any) -> TimeOff:
    values = {
        "by": cast.ada, "location": cast.denver, "user": cast.dana, "first": DAY, "last": DAY,
        "reason": TimeOff.Reason.HOLIDAY, "now": make.NOON,
    }  # fmt: skip
    return hours.enter_time_off(**{**values, **changes})


@pytest.mark.parametrize("enter", [shut, go_away])
class TestBoth:
    def test_one_inside(self, cast: Cast, enter: Any) -> None:
        book(cast)
        with pytest.raises(hours.VisitsInside) as caught:
            enter(cast)
        assert str(caught.value) == (
            "1 booked visit falls inside, on Thu 14 Jan 2027 10:00 MST. "
            "It stays booked, and the desk is asked to move or cancel it."
        )
        assert not Closure.objects.exists()
        assert not TimeOff.objects.exists()

    def test_several_inside(self, cast: Cast, enter: Any) -> None:
        for clock, who in (("14:00", cast.pat), ("08:30", cast.quinn)):
            book(cast, who, starts_at=at(clock))
        with pytest.raises(hours.VisitsInside) as caught:
            enter(cast)
        assert str(caught.value) == (
            "2 booked visits fall inside, the first on Thu 14 Jan 2027 08:30 MST. "
            "They stay booked, and the desk is asked to move or cancel each."
        )
        assert caught.value.booked.count == 2

    @pytest.mark.parametrize(("known", "may"), [(0, False), (1, False), (2, True), (3, True)])
    def test_who_knows_of_all_may(self, cast: Cast, enter: Any, known: int, may: bool) -> None:
        """Fewer than were known of is no surprise; more is."""
        for clock, who in (("14:00", cast.pat), ("08:30", cast.quinn)):
            book(cast, who, starts_at=at(clock))
        if may:
            assert enter(cast, despite=known).pk
            return
        with pytest.raises(hours.VisitsInside):
            enter(cast, despite=known)

    def test_the_desk_is_asked_about_each_as_before(self, cast: Cast, enter: Any) -> None:
        visit = book(cast)
        enter(cast, despite=1)
        recalls.find(by=cast.sam, location=cast.denver, now=make.NOON)
        assert WorkItem.objects.get(kind="recall").subject_id == visit.pk

    def test_nothing_inside(self, cast: Cast, enter: Any) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 15))
        make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:00", 13))
        off: dict[str, Any] = {
            "status": "cancelled",
            "cancelled_at": make.NOON,
            "cancelled_by": "clinic",
            "cancel_reason": "other",
        }
        make.make_appointment(cast.pat, cast.intake, cast.dana, **{"starts_at": TEN, **off})
        assert enter(cast).pk

    @pytest.mark.parametrize(
        ("hours_of_it", "inside"),
        [(("08:00", "10:00"), 0), (("08:00", "10:01"), 1), (("11:14", "12:00"), 1), (("11:15", "12:00"), 0)],
    )
    def test_to_the_minute(self, cast: Cast, enter: Any, hours_of_it: tuple[str, str], inside: int) -> None:
        """Ten o'clock to a quarter past eleven."""
        book(cast)
        starts, ends = (datetime.strptime(clock, "%H:%M").time() for clock in hours_of_it)  # noqa: DTZ007  # a wall clock
        if inside == 0:
            assert enter(cast, starts=starts, ends=ends).pk
            return
        with pytest.raises(hours.VisitsInside):
            enter(cast, starts=starts, ends=ends)

    def test_the_visits_of_others_are_counted_only_by_a_closure(self, cast: Cast, enter: Any) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.theo, TEN)
        make.make_appointment(cast.sol, cast.intake, cast.omar, TEN)
        if enter is go_away:
            assert enter(cast).pk
            return
        with pytest.raises(hours.VisitsInside, match="1 booked visit"):
            enter(cast)

    def test_one_query_however_many(self, cast: Cast, enter: Any, django_assert_num_queries: Any) -> None:
        person = cast.dana if enter is go_away else None
        for number in range(31):
            start = at("08:00", 14) + timedelta(minutes=15 * number)
            make.make_appointment(
                make.make_patient(cast.denver, f"P{number}"), cast.intake, make.make_user() if person is None else cast.dana,
                start if person is None else at("08:00", 14 + number),
            )  # fmt: skip
            if number in {0, 30}:
                with django_assert_num_queries(1):
                    found = bookings.inside(
                        location=cast.denver, person=person, start=at("00:00", 14), end=at("00:00", 60), now=make.NOON
                    )
                assert found.count == number + 1


def test_time_off_counts_visits_at_every_location(cast: Cast) -> None:
    make.make_appointment(cast.sol, cast.intake, cast.dana, TEN)
    with pytest.raises(hours.VisitsInside, match="1 booked visit"):
        go_away(cast)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("enter", [shut, go_away])
def test_no_visit_slips_in_between_the_count_and_the_entry(enter: Any) -> None:
    """Whoever comes second sees the first: never a closure that was entered as empty, with a visit inside."""
    cast = make_cast()
    drew = make.make_user("Drew Diaz")
    make.make_member(drew, cast.denver, Role.PRESCRIBER)
    make.make_working_hours(drew, cast.denver)
    for day in range(6):
        start, gate, results = at("10:00", 18 + 7 * day), threading.Barrier(3), list[object]()

        def run(work: Any, gate: threading.Barrier = gate, results: list[object] = results) -> None:
            gate.wait(30)
            try:
                results.append(type(work()).__name__)
            except (hours.VisitsInside, placing.OutsideHours) as refusal:
                results.append(type(refusal).__name__)

        works = [
            lambda start=start: book(cast, starts_at=start, second_is_meant=True),
            lambda start=start: book(
                cast, cast.pat, clinician=cast.dana if enter is go_away else drew, room=cast.second_room,
                starts_at=start + timedelta(hours=2), second_is_meant=True,
            ),
            lambda start=start: enter(cast, first=start.date(), last=start.date()),
        ]  # fmt: skip
        threads = [threading.Thread(target=in_thread(partial(run, work))) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(results) == 3
        inside = Appointment.objects.filter(starts_at__date=start.date()).count()
        entered = {"Closure", "TimeOff"} & set(map(str, results))
        assert (inside == 0) if entered else (inside >= 1), results


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


class TestPages:
    @pytest.fixture
    def office(self, cast: Cast, now: Any, signed_in: SignedIn) -> Client:
        return signed_in(cast.ada)

    def values(self, cast: Cast, name: str) -> dict[str, str]:
        days = {"first": "2027-01-14", "last": "2027-01-14", "starts": "", "ends": ""}
        if name == "enter_closure":
            return {**days, "name": "Snow"}
        return {**days, "person": str(cast.dana.pk), "reason": "holiday"}

    @pytest.mark.parametrize("name", ["enter_closure", "enter_time_off"])
    def test_told_then_confirmed(self, cast: Cast, office: Client, name: str) -> None:
        book(cast)
        url, values = reverse(f"clinic:{name}", args=[cast.denver.pk]), self.values(cast, name)
        first = office.post(url, values)
        assert first.status_code == 422
        page = text_of(first)
        assert "1 booked visit falls inside, on Thu 14 Jan 2027 10:00 MST." in page
        assert '<input class="form-check-input" type="checkbox" name="despite" value="1">' in page
        assert 'value="2027-01-14"' in page
        link = re.search(r'<a href="(/schedule/2027-01-14/[^"]+)" target="_blank">See them on the schedule', page)
        assert link
        assert "Quinn Abbott" in text_of(office.get(link.group(1).replace("&amp;", "&")))
        done = office.post(url, {**values, "despite": "1"})
        assert done.status_code == 302
        assert Closure.objects.count() + TimeOff.objects.count() == 1

    @pytest.mark.parametrize("name", ["enter_closure", "enter_time_off"])
    def test_one_more_since_it_was_shown(self, cast: Cast, office: Client, name: str) -> None:
        book(cast)
        url, values = reverse(f"clinic:{name}", args=[cast.denver.pk]), self.values(cast, name)
        office.post(url, values)
        book(cast, cast.pat, starts_at=at("14:00"))
        again = office.post(url, {**values, "despite": "1"})
        assert again.status_code == 422
        assert "2 booked visits fall inside" in text_of(again)
        assert 'name="despite" value="2"' in text_of(again)

    @pytest.mark.parametrize("junk", ["x", "-1", "99999999999999999999", "1.5", "\x00"])
    @pytest.mark.parametrize("name", ["enter_closure", "enter_time_off"])
    def test_nonsense_confirms_nothing(self, cast: Cast, office: Client, name: str, junk: str) -> None:
        book(cast)
        url = reverse(f"clinic:{name}", args=[cast.denver.pk])
        assert office.post(url, {**self.values(cast, name), "despite": junk}).status_code == 422
        assert not Closure.objects.exists()
        assert not TimeOff.objects.exists()

    @pytest.mark.parametrize("name", ["enter_closure", "enter_time_off"])
    def test_nobody_is_asked_where_nothing_is_booked(self, cast: Cast, office: Client, name: str) -> None:
        url = reverse(f"clinic:{name}", args=[cast.denver.pk])
        assert 'name="despite"' not in text_of(office.get(url))
        assert office.post(url, self.values(cast, name)).status_code == 302

    @pytest.mark.parametrize("name", ["enter_closure", "enter_time_off"])
    def test_the_page_asks_as_much_with_thirty(self, cast: Cast, office: Client, name: str) -> None:
        url = reverse(f"clinic:{name}", args=[cast.denver.pk])
        one = queries_of(office, url)
        for number in range(30):
            make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 14 + number))
        assert queries_of(office, url) == one
