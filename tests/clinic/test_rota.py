"""The rota: who is on call when, on the location's clock; what is refused; and a gap that is told before it comes."""

import threading
from datetime import date, datetime, time, timedelta

import pytest
from django.db import connection
from django.urls import reverse

from clinic import rotaweek, tasks
from clinic.actions import rota
from clinic.errors import Refused
from clinic.models import AuditEvent, Membership, OnCall, TimeOff, WorkItem, new_id
from clinic.rotaweek import Duty
from tests import factories as make

NOON = make.NOON  # Wednesday 13 January 2027, 09:00 in Denver
HOUR = timedelta(hours=1)
TODAY = date(2027, 1, 13)
FIRST, SECOND = OnCall.Tier.FIRST, OnCall.Tier.SECOND


def enter(cast, user=None, tier=FIRST, first=TODAY, last=TODAY, now=NOON, location=None, **more):
    return rota.enter_duty(
        by=cast.ada, location=location or cast.denver, user=user or cast.nina, tier=tier, first=first, last=last, now=now,
        **more,
    )  # fmt: skip


def duty(start, end, who=None):
    return Duty(new_id(), who or new_id(), NOON + start * HOUR, NOON + end * HOUR)


def test_stretches_have_no_holes():
    found = rotaweek.stretches([duty(2, 4), duty(-3, 1), duty(4, 30)], NOON, NOON + 24 * HOUR)
    assert [((s.starts_at - NOON) / HOUR, (s.ends_at - NOON) / HOUR, s.duty is None) for s in found] == [
        (0, 1, False), (1, 2, True), (2, 4, False), (4, 24, False),
    ]  # fmt: skip
    assert rotaweek.first_gap([duty(-1, 5)], NOON, NOON + 4 * HOUR) is None
    assert rotaweek.first_gap([], NOON, NOON + HOUR) == NOON


class TestEntering:
    def test_on_the_wall_clock_of_the_location(self, cast):
        one = enter(cast, starts=time(18), first=TODAY, last=date(2027, 1, 14), ends=time(8))
        assert (one.starts_at, one.ends_at) == (NOON + 9 * HOUR, NOON + 23 * HOUR)
        assert AuditEvent.objects.get(verb="rota.changed").details["act"] == "entered"

    def test_a_night_of_the_clock_change_is_an_hour_shorter(self, cast):
        one = enter(cast, first=date(2027, 3, 13), starts=time(20), last=date(2027, 3, 14), ends=time(8))
        assert one.ends_at - one.starts_at == 11 * HOUR

    def test_only_licensed_clinicians_of_the_location(self, cast):
        for who in (cast.frida, cast.milo, cast.tara, cast.ada, cast.omar):
            with pytest.raises(rota.NotOnThisRota, match=f"{who.name} cannot be on call here"):
                enter(cast, who)
        assert not OnCall.objects.exists()

    def test_refusals(self, cast):
        enter(cast, cast.theo)
        for words, given in (
            ("Theo Thorne is first on call then already: Wed 13 Jan 2027", {"user": cast.nina}),
            ("One person cannot be on call twice", {"user": cast.theo, "tier": SECOND}),
            ("before today", {"first": date(2027, 1, 12), "last": date(2027, 1, 12)}),
            ("more than a month", {"first": date(2027, 2, 1), "last": date(2027, 3, 15)}),
            ("end must be after", {"first": date(2027, 1, 20), "last": date(2027, 1, 19)}),
            ("end must be after", {"first": date(2027, 1, 20), "last": date(2027, 1, 20), "starts": time(9), "ends": time(9)}),
        ):  # fmt: skip
            with pytest.raises(Refused, match=words):
                enter(cast, **given)
        TimeOff.objects.create(
            user=cast.nils,
            during=(NOON + 30 * HOUR, NOON + 90 * HOUR),
            reason="holiday",
            entered_by=cast.ada,
            entered_at=NOON,
        )
        with pytest.raises(rota.AwayThen, match="Nils Nyberg is away then"):
            enter(cast, cast.nils, SECOND, date(2027, 1, 15), date(2027, 1, 15))
        assert OnCall.objects.count() == 1
        enter(cast, cast.theo, first=date(2027, 1, 14), last=date(2027, 1, 14))

    @pytest.mark.django_db(transaction=True)
    def test_two_managers_at_once(self, cast):
        results = []

        def work(user):
            try:
                results.append(type(enter(cast, user)).__name__)
            except Refused as refusal:
                results.append(type(refusal).__name__)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=[user]) for user in (cast.nina, cast.theo)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["OnCall", "TierTaken"]


class TestTakingBack:
    def test_to_come_is_cancelled_and_begun_is_ended(self, cast):
        later = enter(cast, first=date(2027, 1, 20), last=date(2027, 1, 20))
        running = enter(cast)
        rota.cancel_duty(by=cast.ada, duty=later, now=NOON)
        rota.cancel_duty(by=cast.ada, duty=running, now=NOON)
        later.refresh_from_db()
        running.refresh_from_db()
        assert later.cancelled_at == NOON
        # Who was on call until now stays on record.
        assert (running.cancelled_at, running.ends_at) == (None, NOON)
        for over in (later, running):
            with pytest.raises(rota.DutyOver):
                rota.cancel_duty(by=cast.ada, duty=over, now=NOON + HOUR)
        enter(cast, cast.theo, starts=time(9))


class TestGaps:
    @pytest.fixture
    def full(self, cast):
        make.make_duty(cast.denver, cast.nina, "first", NOON - HOUR, 90)
        return make.make_duty(cast.denver, cast.theo, "second", NOON - HOUR, 90)

    def item(self):
        return WorkItem.objects.open().filter(kind="rota_gap", location__name="Denver").first()

    def test_told_once_and_gone_when_it_is_filled(self, cast, full, now):
        tasks.tell_of_rota_gaps()
        assert self.item() is None
        rota.cancel_duty(by=cast.ada, duty=full, now=NOON)
        for _ in range(2):
            tasks.tell_of_rota_gaps()
        item = self.item()
        assert (item.owner_role, item.due_at, item.subject_id) == ("manager", NOON, cast.denver.pk)
        enter(cast, cast.tess, SECOND, last=date(2027, 1, 20), starts=time(9))
        assert self.item() is None

    def test_somebody_who_is_away_or_gone_fills_no_gap(self, cast, full):
        TimeOff.objects.create(
            user=cast.theo,
            during=(NOON + 10 * HOUR, NOON + 20 * HOUR),
            reason="illness",
            entered_by=cast.ada,
            entered_at=NOON,
        )
        assert rota.next_gap(cast.denver, NOON) == NOON + 10 * HOUR
        Membership.objects.filter(user=cast.nina).update(ended_at=NOON)
        assert rota.next_gap(cast.denver, NOON) == NOON

    def test_the_manager_finds_the_rota_from_the_work(self, cast, signed_in, now):
        tasks.tell_of_rota_gaps()
        shown = signed_in(cast.ada).get(reverse("clinic:worklist")).content.decode()
        assert "Nobody is on call" in shown
        assert f'href="{reverse("clinic:rota")}"' in shown


class TestPages:
    def test_gaps_are_loud_and_people_are_named(self, cast, signed_in, now):
        make.make_duty(cast.denver, cast.nina, "first", NOON - HOUR, 10)
        shown = signed_in(cast.ada).get(reverse("clinic:rota")).content.decode()
        assert "18:00–24:00 nobody" in shown
        assert "Nina Novak" in shown
        assert "Somebody is missing now" in shown
        assert "Take back" in shown
        assert "(MST)" in shown
        last_year = signed_in(cast.ada).get(reverse("clinic:rota"), {"week": "2026-06-03"}).content.decode()
        assert "Mon 1 Jun 2026" in last_year
        assert "(MDT)" in last_year
        for odd in ("nonsense", "0001-01-01", "9999-12-31", "2027-02-30"):
            assert signed_in(cast.ada).get(reverse("clinic:rota"), {"week": odd}).status_code == 200

    def test_who_reads_and_who_enters(self, cast, signed_in, now):
        row = make.make_duty(cast.denver, cast.nina, "first", NOON + 24 * HOUR)
        enter_url, cancel_url = (
            reverse("clinic:enter_duty", args=[cast.denver.pk]),
            reverse("clinic:cancel_duty", args=[row.pk]),
        )
        for who, reads, enters in (
            (cast.ada, 200, 200), (cast.frida, 200, 403), (cast.nina, 200, 403), (cast.milo, 200, 403), (cast.petra, 403, 403),
        ):  # fmt: skip
            client = signed_in(who)
            assert client.get(reverse("clinic:rota")).status_code == reads
            assert client.get(enter_url).status_code == enters
            if enters == 403:
                assert client.post(cancel_url).status_code == 403
        # Ada is front desk in Phoenix and manages nothing there.
        elsewhere = make.make_duty(cast.phoenix, cast.iris, "first", NOON + 24 * HOUR)
        assert signed_in(cast.ada).get(reverse("clinic:enter_duty", args=[cast.phoenix.pk])).status_code == 404
        assert signed_in(cast.ada).post(reverse("clinic:cancel_duty", args=[elsewhere.pk])).status_code == 404
        assert signed_in(cast.ada).get(cancel_url).status_code == 405
        assert OnCall.objects.live().count() == 2

    def test_entering_by_the_form(self, cast, signed_in, now):
        client, url = signed_in(cast.ada), reverse("clinic:enter_duty", args=[cast.denver.pk])
        data = {
            "user": str(cast.nina.pk),
            "tier": "first",
            "first": "2027-01-13",
            "last": "2027-01-14",
            "starts": "18:00",
            "ends": "08:00",
        }
        for wrong in (
            {"user": str(cast.omar.pk)},
            {"user": str(cast.tara.pk)},
            {"tier": "third"},
            {"first": "x"},
            {"user": ""},
        ):
            assert client.post(url, data | wrong).status_code == 422
        assert client.post(url, data, follow=True).status_code == 200
        refused = client.post(url, data | {"user": str(cast.theo.pk)})
        assert refused.status_code == 422
        assert "Nina Novak is first on call then already" in refused.content.decode()
        assert 'value="18:00"' in refused.content.decode()
        assert client.post(reverse("clinic:cancel_duty", args=[OnCall.objects.get().pk])).status_code == 302
        assert not OnCall.objects.live().exists()

    def test_a_full_week_costs_the_same(self, cast, signed_in, now, django_assert_num_queries):
        from django.test.utils import CaptureQueriesContext

        client, url = signed_in(cast.ada), reverse("clinic:rota")
        make.make_duty(cast.denver, cast.nina, "first", NOON, 1)
        client.get(url)
        with CaptureQueriesContext(connection) as few:
            client.get(url)
        for hour in range(1, 40):
            make.make_duty(cast.denver, cast.nina if hour % 2 else cast.theo, "first", NOON + hour * HOUR, 1)
        with django_assert_num_queries(len(few)):
            client.get(url)


def test_the_first_moment_of_a_duty_counts_and_its_last_does_not(cast):
    make.make_duty(cast.denver, cast.nina, "first", NOON, 1)
    at = OnCall.objects.at
    assert at(cast.denver, NOON).exists()
    assert not at(cast.denver, NOON + HOUR).exists()
    assert not at(cast.denver, datetime(2020, 1, 1, tzinfo=NOON.tzinfo)).exists()
