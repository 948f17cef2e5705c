"""Risk alerts: what an answer sets off, on which clock, who hears of it, and who alone may close it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assessments import alertsteps, morning
from assessments.actions import alerts, calling_help, flags
from assessments.alertsteps import Attempt, Step
from assessments.instrument import Tier
from assessments.models import ContactAttempt, Disposition, RiskAlert
from assessments.safety import Signal
from clinic import navigation
from clinic.access import Permission, memberships_of
from clinic.actions import licences, pages, signatures, worklist
from clinic.models import (
    AuditEvent,
    Closure,
    Licence,
    Membership,
    OutboundMessage,
    Page,
    PageCall,
    Signature,
    TimeOff,
    WorkItem,
)
from sessions.actions import attendance
from tests import factories as make

NOON = make.NOON  # Wednesday 09:00 in Denver; open 08:00 to 18:00 on weekdays
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
RED, ORANGE, YELLOW = (Signal(tier, "phq9_item9", "q9", value) for tier, value in zip(Tier, (3, 2, 1), strict=True))
SAFE = alerts.Decision(
    Disposition.Level.MODERATE, Disposition.Outcome.SAFE_AT_HOME, "Thoughts, no plan.", "Pills locked away.",
    "Dana.", "Call tomorrow.",
)  # fmt: skip
BRIEF = alerts.Decision(Disposition.Level.LOW, Disposition.Outcome.SEEN_SOON, "A slip of the finger, she says.")
HIGH = {f"q{n}": 3 for n in range(1, 9)}
FORM = {
    "level": "moderate", "outcome": "safe_at_home", "rationale": "Thoughts, no plan.", "means": "Pills locked away.",
    "consulted": "Dana.", "plan": "Call tomorrow.",
}  # fmt: skip


def at(day, hour, minute=0):
    """A moment of January 2027 on Denver's clock."""
    return datetime(2027, 1, day, hour, minute, tzinfo=UTC) + timedelta(hours=7)


def raise_one(cast, *signals, patient=None, now=NOON, response=None):
    return alerts.raise_from(by=cast.pat_user, patient=patient or cast.pat, response=response, signals=signals, now=now)


def close(cast, alert, by=None, decision=BRIEF, now=NOON, **more):
    return alerts.dispose(by=by or cast.theo, alert=alert, decision=decision, now=now, **more)


@pytest.mark.parametrize(
    ("signal", "raised", "due"),
    [
        (RED, at(13, 2, 10), at(13, 2, 40)),
        (RED, at(13, 9), at(13, 9, 30)),
        (ORANGE, at(13, 9), at(13, 13)),
        (ORANGE, at(13, 2, 10), at(13, 3, 10)),
        (ORANGE, at(13, 17, 50), at(13, 19)),
        (ORANGE, at(16, 12), at(16, 13)),  # a Saturday
        (YELLOW, at(13, 9), at(13, 18)),
        (YELLOW, at(13, 2, 10), at(13, 10)),
        (YELLOW, at(13, 17, 30), at(14, 10)),
        (YELLOW, at(13, 20), at(14, 10)),
        (YELLOW, at(15, 19), at(19, 10)),  # Friday evening; the Monday is a holiday
    ],
)
def test_clocks(cast, signal, raised, due):
    Closure.objects.create(
        location=cast.denver, name="Holiday", during=(at(18, 0), at(19, 0)), entered_by=cast.ada, entered_at=NOON
    )
    alert = raise_one(cast, signal, now=raised)
    assert alert.contact_by == due
    assert alert.acknowledge_by == (raised + 10 * MIN if signal is RED else None)


class TestRaising:
    def test_nothing_alarming_is_no_alert(self, cast):
        assert raise_one(cast) is None
        assert not Page.objects.exists()

    def test_the_worst_signal_counts_and_all_are_kept(self, cast):
        alert = raise_one(cast, ORANGE, Signal(Tier.YELLOW, "phq9_item9_unknown", "q9", None))
        assert alert.tier == "orange"
        assert [(each["tier"], each["value"]) for each in alert.signals] == [("orange", 2), ("yellow", None)]
        assert alert.location == cast.denver
        page = Page.objects.get()
        assert (page.urgency, page.subject_id, page.next_at) == ("orange", alert.pk, NOON)
        item = WorkItem.objects.get(kind="risk_alert")
        assert (item.owner, item.due_at, item.patient_id) == (cast.theo, alert.contact_by, cast.pat.pk)
        assert AuditEvent.objects.filter(verb="alert.raised", patient_id=cast.pat.pk).count() == 1

    def test_nobody_treats_so_the_prescribers_do(self, cast):
        alert = raise_one(cast, ORANGE, patient=cast.quinn)
        item = WorkItem.objects.get(kind="risk_alert")
        assert (item.owner, item.owner_role) == (None, "prescriber")
        assert RiskAlert.objects.visible_to(cast.dana, Permission.ALERT_READ, NOON).get() == alert

    def test_a_trainee_leads_and_somebody_licensed_is_asked(self, cast):
        make.make_care_team_member(cast.quinn, cast.tara, is_lead=True)
        make.make_care_team_member(cast.quinn, cast.tess)
        raise_one(cast, YELLOW, patient=cast.quinn)
        assert WorkItem.objects.get(kind="risk_alert").owner == cast.tess

    def test_the_lead_is_away_and_the_next_is_asked(self, cast):
        """Hazard: a YELLOW waits on the list of somebody who is on holiday, until it is late."""
        for person in (cast.theo, cast.dana):
            TimeOff.objects.create(
                user=person, during=(NOON - HOUR, NOON + HOUR), reason="holiday", entered_by=cast.ada, entered_at=NOON
            )
        raise_one(cast, YELLOW)
        assert WorkItem.objects.get(kind="risk_alert").owner == cast.nina

    def test_yellow_rings_nobody_until_it_is_late(self, cast):
        alert = raise_one(cast, YELLOW, now=at(13, 2, 10))
        assert pages.call_due(by=cast.sam, now=at(13, 9, 59)) == 0
        assert not PageCall.objects.exists()
        assert pages.call_due(by=cast.sam, now=alert.contact_by) == 1

    def test_a_second_alarming_answer_is_its_own_alert(self, cast):
        first, second = raise_one(cast, YELLOW), raise_one(cast, RED, now=NOON + MIN)
        assert first.pk != second.pk
        assert {page.urgency for page in Page.objects.ringing()} == {"yellow", "red"}

    def test_the_same_response_is_one_alert(self, cast):
        response = make.make_response(cast.pat, cast.pat_user)
        first = raise_one(cast, ORANGE, response=response)
        assert raise_one(cast, ORANGE, response=response, now=NOON + MIN) == first
        assert Page.objects.count() == 1

    def test_words_of_danger_that_the_patient_confirms_are_red(self, cast):
        response = make.make_response(cast.pat, cast.pat_user)
        raise_one(cast, YELLOW, response=response)
        words = [alerts.raise_for_words(by=cast.pat_user, patient=cast.pat, response=response, now=NOON) for _ in "ab"]
        assert words[0] == words[1]
        assert words[0].tier == "red"
        assert RiskAlert.objects.count() == 2

    def test_rolled_back_with_the_answer(self, cast):
        """There is no answer without its alert, and no alert without its answer."""

        class Broken(Exception):
            pass

        @transaction.atomic
        def hand_in():
            raise_one(cast, RED)
            raise Broken

        with pytest.raises(Broken):
            hand_in()
        assert not [model for model in (RiskAlert, Page, WorkItem) if model.objects.exists()]

    def test_no_limits_in_force(self, cast):
        """A policy that says nothing about alarms does not make one silent: the drafted minutes hold."""
        make.make_policy(cast.dana, {"reminders": {}}, number=2)
        assert raise_one(cast, RED).contact_by == NOON + 30 * MIN


class TestTheDoor:
    def who(self, cast, alert, permission=Permission.ALERT_READ):
        return {
            name
            for name, user in cast.staff().items()
            if RiskAlert.objects.visible_to(user, permission, NOON).filter(pk=alert.pk).exists()
        }

    def test_team_director_on_call_and_whoever_was_called(self, cast):
        alert = raise_one(cast, ORANGE)
        assert self.who(cast, alert) == {"theo", "dana", "nina"}
        make.make_duty(cast.denver, cast.tess, "first", NOON - HOUR)
        assert self.who(cast, alert) == {"theo", "dana", "nina", "tess"}
        PageCall.objects.create(page=Page.objects.get(), user=cast.nils, rung=0, called_at=NOON)
        assert self.who(cast, alert) == {"theo", "dana", "nina", "tess", "nils"}

    def test_who_was_only_called_reads_it_for_a_week_after_it_is_closed(self, cast):
        alert = raise_one(cast, ORANGE)
        make.make_duty(cast.denver, cast.tess, "first", NOON - HOUR)
        PageCall.objects.create(page=Page.objects.get(), user=cast.nils, rung=0, called_at=NOON)
        for days, who in ((6, {"theo", "dana", "nina", "tess", "nils"}), (8, {"theo", "dana", "nina"})):
            RiskAlert.objects.filter(pk=alert.pk).update(closed_at=NOON - timedelta(days=days))
            assert self.who(cast, alert) == who, days

    def test_a_duty_that_is_over_or_elsewhere_opens_nothing(self, cast):
        alert = raise_one(cast, ORANGE)
        make.make_duty(cast.denver, cast.tess, "first", NOON - 48 * HOUR)
        make.make_duty(cast.phoenix, cast.nils, "first", NOON - HOUR)
        make.make_duty(cast.phoenix, cast.omar, "second", NOON - HOUR)
        assert self.who(cast, alert) == {"theo", "dana", "nina"}

    def test_pages_and_posts(self, cast, signed_in, now):
        alert = raise_one(cast, ORANGE)
        paths = [
            reverse(f"assessments:{name}", args=[alert.pk]) for name in ("alert", "record_contact", "dispose_alert")
        ]
        for who, status in (
            (cast.theo, 200), (cast.tess, 404), (cast.omar, 404), (cast.iris, 404), (cast.frida, 403), (cast.milo, 403),
            (cast.ada, 403), (cast.petra, 403), (cast.olga, 403), (cast.pat_user, 403),
        ):  # fmt: skip
            client = signed_in(who)
            for path in paths:
                assert client.get(path).status_code == status, (who, path)
                if status != 200 and path != paths[0]:
                    assert client.post(path, FORM).status_code == status, (who, path)
        assert RiskAlert.objects.open().get() == alert
        assert not Disposition.objects.exists()

    def test_the_list_names_only_what_is_theirs(self, cast, signed_in, now):
        raise_one(cast, ORANGE)
        raise_one(cast, RED, patient=cast.sol)
        assert "Pat Moreau" in signed_in(cast.theo).get(reverse("assessments:alerts")).content.decode()
        for who in (cast.tess, cast.omar):
            shown = signed_in(who).get(reverse("assessments:alerts")).content.decode()
            assert "Moreau" not in shown
        assert signed_in(cast.frida).get(reverse("assessments:alerts")).status_code == 403

    def test_the_desk_sees_no_item_and_cannot_close_one(self, cast, signed_in, now):
        raise_one(cast, ORANGE)
        shown = signed_in(cast.frida).get(reverse("clinic:worklist")).content.decode()
        assert "Clinician contact required" not in shown.split('id="items"')[1]
        item = WorkItem.objects.get(kind="risk_alert")
        assert signed_in(cast.frida).post(reverse("clinic:close_work_item", args=[item.pk])).status_code == 404
        # Not even its owner takes it off the list by hand.
        with pytest.raises(worklist.AnswerItInstead):
            worklist.close_item(by=cast.theo, item=item, outcome=WorkItem.Outcome.DONE, note="x", now=NOON)


class TestTheBanner:
    def test_it_stands_on_every_page_of_those_who_answer(self, cast, signed_in, now):
        raise_one(cast, ORANGE)
        for path in ("/schedule/", "/worklist/", "/patients/"):
            assert "alarm-banner" in signed_in(cast.theo).get(path, follow=True).content.decode()
        for who in (cast.frida, cast.milo, cast.tess):
            assert "alarm-banner" not in signed_in(who).get("/worklist/").content.decode()

    def test_it_costs_no_query_of_its_own(self, cast, django_assert_num_queries):
        raise_one(cast, ORANGE)
        theo = cast.theo
        memberships_of(theo)
        with django_assert_num_queries(1):
            assert navigation._bell(theo) == (1, 1)
        navigation.remember_bell_count(theo, 7, 0)
        with django_assert_num_queries(0):
            assert navigation._bell(theo) == (7, 0)
        assert navigation._alarm(theo, 0) is None


class TestContacts:
    @pytest.fixture
    def alert(self, cast):
        make.make_duty(cast.denver, cast.nina, "first", NOON - HOUR, 48)
        alert = raise_one(cast, RED)
        pages.call_due(by=cast.sam, now=NOON)
        return alert

    def contact(self, cast, alert, result="no_answer", whom="patient", by=None, now=NOON + 5 * MIN, **more):
        return alerts.record_contact(
            by=by or cast.nina, alert=alert, whom=ContactAttempt.Whom(whom), result=ContactAttempt.Result(result),
            now=now, **{"at": now, **more},
        )  # fmt: skip

    def test_speaking_with_the_patient_stops_that_clock_and_the_ringing(self, cast, alert):
        self.contact(cast, alert)
        page = Page.objects.get()
        assert page.acknowledged_by == cast.nina
        alert.refresh_from_db()
        assert alert.contacted_at is None
        self.contact(cast, alert, "spoke", at=NOON + 4 * MIN)
        self.contact(cast, alert, "spoke", now=NOON + 9 * MIN)
        alert.refresh_from_db()
        assert alert.contacted_at == NOON + 4 * MIN
        assert alert.is_open
        assert alerts.ring_again(by=cast.sam, now=NOON + 3 * HOUR) == 0

    def test_in_the_hour_that_comes_twice_in_autumn(self, cast, signed_in):
        """01:45 after an alert of 01:40 is five minutes later, also when the clock has shown 01:45 before."""
        alert = raise_one(cast, RED, now=datetime(2027, 11, 7, 8, 40, tzinfo=UTC))
        with time_machine.travel(alert.raised_at + 10 * MIN, tick=False):
            url = reverse("assessments:record_contact", args=[alert.pk])
            data = {"whom": "patient", "result": "spoke", "day": "2027-11-07", "clock_time": "01:45"}
            assert signed_in(cast.theo).post(url, data).status_code == 302
        assert ContactAttempt.objects.get().at == alert.raised_at + 5 * MIN

    def test_refusals(self, cast, alert):
        for who in (cast.tess, cast.tara, cast.frida, cast.milo, cast.ada, cast.omar):
            with pytest.raises(alerts.NotYourAlert):
                self.contact(cast, alert, by=who)
        with pytest.raises(alerts.NotThen, match="still to come"):
            self.contact(cast, alert, at=NOON + HOUR)
        with pytest.raises(alerts.NotThen, match="before the alert"):
            self.contact(cast, alert, at=NOON - 2 * MIN)
        close(cast, alert, decision=SAFE, by=cast.theo, proof=proof(cast.theo))
        with pytest.raises(alerts.IsClosed):
            self.contact(cast, alert)
        assert not ContactAttempt.objects.exists()

    def test_the_page_leads_from_the_patient_to_the_welfare_check(self, cast, signed_in, alert, now):
        make.make_contact(cast.pat, kind="emergency", name="Robin Moreau", relationship="sister")
        client = signed_in(cast.nina)
        url = reverse("assessments:alert", args=[alert.pk])

        def post(whom, result):
            data = {
                "whom": whom,
                "result": result,
                "day": "2027-01-13",
                "clock_time": "09:00",
                "note": "rang ten times",
            }
            assert client.post(reverse("assessments:record_contact", args=[alert.pk]), data).status_code == 302
            return client.get(url).content.decode()

        shown = client.get(url).content.decode()
        for words in ("Call the patient now", "By 09:30 MST", "in 30 min", "Robin Moreau", 'href="tel:+13035550123"'):
            assert words in shown
        assert "1 of 3 calls reached nobody" in post("patient", "no_answer")
        post("patient", "left_word")
        assert "Call their emergency contact now" in post("patient", "refused")
        shown = post("emergency_contact", "no_answer")
        assert "Decide on a welfare check" in shown
        assert "By 10:30 MST" in shown
        dispose = reverse("assessments:dispose_alert", args=[alert.pk])
        assert f'<a class="btn btn-secondary" href="{dispose}">' in shown
        shown = post("emergency_services", "sent")
        assert "Write down what follows" in shown
        assert f'<a class="btn btn-primary" href="{dispose}">' in shown, "the next thing to do is the loudest"

    def test_a_refused_form_keeps_what_was_typed(self, cast, signed_in, alert, now):
        client = signed_in(cast.nina)
        url = reverse("assessments:record_contact", args=[alert.pk])
        data = {"whom": "patient", "result": "spoke", "day": "2027-01-13", "clock_time": "23:00", "note": "quite calm"}
        refused = client.post(url, data)
        assert refused.status_code == 422
        assert "still to come" in refused.content.decode()
        assert "quite calm" in refused.content.decode()
        for wrong in ({}, {**data, "note": "x" * 2001}, {**data, "whom": "nobody"}, {**data, "day": "9999-99-99"}):
            assert client.post(url, wrong).status_code == 422
        assert not ContactAttempt.objects.exists()


@pytest.mark.parametrize(
    ("attempts", "step"),
    [
        ([], Step.CALL_PATIENT),
        ([("patient", "no_answer")] * 2, Step.CALL_PATIENT),
        ([("patient", "no_answer"), ("patient", "left_word"), ("patient", "refused")], Step.CALL_CONTACT),
        ([("patient", "no_answer")] * 3 + [("emergency_contact", "spoke")], Step.DECIDE_WELFARE_CHECK),
        ([("patient", "no_answer")] * 3 + [("patient", "spoke")], Step.WRITE_DISPOSITION),
        ([("emergency_services", "no_answer")], Step.CALL_PATIENT),
        ([("emergency_services", "sent")], Step.WRITE_DISPOSITION),
    ],
)
def test_what_is_done_next(attempts, step):
    found = alertsteps.next_step(
        [Attempt(*each) for each in attempts], is_closed=False, raised_at=NOON, contact_by=NOON + 30 * MIN,
        red_attempts=3, welfare_check_min=90,
    )  # fmt: skip
    assert found.step is step
    assert found.by == NOON + (30 if step is Step.CALL_PATIENT else 90) * MIN


@pytest.fixture(autouse=True)
def licensed(request):
    """Theo and Dana hold their licences for Denver's state."""
    if "cast" in request.fixturenames:
        cast = request.getfixturevalue("cast")
        for who in (cast.theo, cast.dana):
            make.make_licences(who)


def proof(user):
    if not user.has_usable_password():
        make.make_secrets(user)
    return signatures.Proof(password=make.PASSWORD, code=make.app_code())


class TestDispositions:
    def test_it_closes_the_alert_its_calls_and_its_work(self, cast):
        alert = raise_one(cast, ORANGE)
        pages.call_due(by=cast.sam, now=NOON)
        close(cast, alert, now=NOON + HOUR)
        alert.refresh_from_db()
        assert alert.closed_at == NOON + HOUR
        assert not Page.objects.live().exists()
        assert not WorkItem.objects.open().filter(kind__in=["risk_alert", "page"]).exists()
        assert pages.call_due(by=cast.sam, now=NOON + 24 * HOUR) == 0

    def test_only_licensed_clinicians_whose_it_is(self, cast):
        alert = raise_one(cast, ORANGE)
        make.make_care_team_member(cast.pat, cast.tara)
        make.make_care_team_member(cast.pat, cast.milo)
        for who in (
            cast.frida,
            cast.milo,
            cast.tara,
            cast.ada,
            cast.petra,
            cast.tess,
            cast.omar,
            cast.pat_user,
            cast.sam,
        ):
            with pytest.raises(alerts.NotYourAlert):
                close(cast, alert, by=who)
        Licence.objects.filter(user=cast.theo, kind="professional").update(expires_on=NOON.date() - timedelta(days=1))
        with pytest.raises(licences.LicenceExpired):
            close(cast, alert, by=cast.theo)
        Membership.objects.filter(user=cast.theo).update(ended_at=NOON)
        with pytest.raises(alerts.NotYourAlert):
            close(cast, alert, by=cast.theo)
        assert not Disposition.objects.exists()

    def test_a_red_one_says_everything_and_is_signed(self, cast, now):
        alert = raise_one(cast, RED)
        for missing in ("rationale", "means", "consulted", "plan"):
            with pytest.raises(alerts.NotComplete, match="red alert"):
                close(cast, alert, decision=alerts.Decision(**{**SAFE.__dict__, missing: "  "}), proof=proof(cast.theo))
        with pytest.raises(alerts.NotComplete, match="your signature"):
            close(cast, alert, decision=SAFE)
        with pytest.raises(signatures.WrongProof):
            close(cast, alert, decision=SAFE, proof=signatures.Proof(password="wrong", code="000000"))
        alert.refresh_from_db()
        assert alert.is_open
        given = close(cast, alert, decision=SAFE, proof=proof(cast.theo))
        signature = Signature.objects.get(purpose="disposition")
        assert given.signature == signature
        assert (signature.signer, signature.subject_id) == (cast.theo, alert.pk)
        assert signatures.matches(signature, SAFE.text(alert))

    def test_brief_is_not_empty(self, cast):
        alert = raise_one(cast, YELLOW)
        with pytest.raises(alerts.NotComplete, match="never closed without a reason"):
            close(cast, alert, decision=alerts.Decision(Disposition.Level.NONE, Disposition.Outcome.SEEN_SOON, " \n"))

    def test_the_second_of_two_is_told_and_may_add(self, cast):
        alert = raise_one(cast, ORANGE)
        close(cast, alert)
        with pytest.raises(alerts.AlreadyClosed, match="Theo Thorne has closed"):
            close(cast, alert, by=cast.dana)
        close(cast, alert, by=cast.dana, is_addition=True, now=NOON + MIN)
        alert.refresh_from_db()
        assert alert.closed_at == NOON
        assert [row.by for row in Disposition.objects.order_by("at")] == [cast.theo, cast.dana]

    def test_it_counts_as_a_fact_and_stands_when_screening_fails(self, cast, monkeypatch):
        seen = []
        monkeypatch.setattr(flags, "rescreen", lambda **given: seen.append(given["patient"]))
        close(cast, raise_one(cast, ORANGE))
        assert seen == [cast.pat]

        def broken(**_given):
            raise RuntimeError

        monkeypatch.setattr(flags, "rescreen", broken)
        close(cast, raise_one(cast, ORANGE, now=NOON + MIN), now=NOON + 2 * MIN)
        assert not RiskAlert.objects.open().exists()
        assert WorkItem.objects.filter(kind="scoring_failed", owner_role="manager").exists()

    def test_on_the_page(self, cast, signed_in, now):
        red, orange = raise_one(cast, RED), raise_one(cast, ORANGE)
        make.make_secrets(cast.theo)
        client = signed_in(cast.theo)
        url = reverse("assessments:dispose_alert", args=[red.pk])
        shown = client.get(url).content.decode()
        assert "checked" not in shown.split("<main")[1]
        refused = client.post(url, {**FORM, "consulted": "", "password": make.PASSWORD, "code": make.app_code()})
        assert refused.status_code == 422
        assert "Pills locked away." in refused.content.decode()
        assert client.post(url, {**FORM, "password": "no", "code": "123456"}).status_code == 422
        assert client.post(url, {**FORM, "password": make.PASSWORD, "code": make.app_code()}).status_code == 302
        brief = reverse("assessments:dispose_alert", args=[orange.pk])
        data = {"level": "low", "outcome": "seen_soon", "rationale": "A slip."}
        assert client.post(brief, {**data, "rationale": "x" * 4001}).status_code == 422
        assert client.post(brief, data).status_code == 302
        again = client.post(brief, {**data, "rationale": "More."})
        assert again.status_code == 422
        assert "has closed this alert meanwhile" in again.content.decode()
        assert 'name="is_addition" value="on"' in again.content.decode().replace('id="id_is_addition" ', "")
        assert client.post(brief, {**data, "rationale": "More.", "is_addition": "on"}).status_code == 302
        assert "Addition" in client.get(reverse("assessments:alert", args=[orange.pk])).content.decode()


class TestAnsweredAndNobodyReached:
    def test_it_rings_again_until_somebody_reached_the_patient(self, cast):
        make.make_duty(cast.denver, cast.nina, "first", NOON - HOUR, 48)
        alert = raise_one(cast, RED)
        pages.call_due(by=cast.sam, now=NOON)
        page = Page.objects.get()
        pages.acknowledge(by=cast.nina, page=page, now=NOON + MIN)
        assert alerts.ring_again(by=cast.sam, now=NOON + 30 * MIN) == 0
        assert alerts.ring_again(by=cast.sam, now=NOON + 31 * MIN) == 1
        assert alerts.ring_again(by=cast.sam, now=NOON + 31 * MIN) == 0
        second = Page.objects.ringing().get()
        assert (second.urgency, second.subject_id) == ("red", alert.pk)
        assert pages.call_due(by=cast.sam, now=NOON + 31 * MIN) == 1
        # Whoever is trying is not rung up meanwhile; ten minutes later they are.
        alerts.record_contact(
            by=cast.nina,
            alert=alert,
            whom=ContactAttempt.Whom.PATIENT,
            result=ContactAttempt.Result.NO_ANSWER,
            at=NOON + 41 * MIN,
            now=NOON + 41 * MIN,
        )
        assert alerts.ring_again(by=cast.sam, now=NOON + 50 * MIN) == 0
        assert alerts.ring_again(by=cast.sam, now=NOON + 52 * MIN) == 1


class TestSaidAgain:
    """They are in danger, said so, were heard, and say it again."""

    def cry(self, cast, now):
        return calling_help.call_for_help(by=cast.pat_user, patient=cast.pat, now=now)

    def test_a_second_cry_is_heard_a_second_time(self, cast):
        make.make_duty(cast.denver, cast.nina, "first", NOON - HOUR, 48)
        first = self.cry(cast, NOON)
        assert self.cry(cast, NOON + MIN) == first
        assert pages.call_due(by=cast.sam, now=NOON + MIN) == 1
        assert self.cry(cast, NOON + 2 * MIN) == first, "it rings already"
        assert pages.call_due(by=cast.sam, now=NOON + 2 * MIN) == 0
        pages.acknowledge(by=cast.nina, page=Page.objects.get(), now=NOON + 3 * MIN)
        assert self.cry(cast, NOON + 5 * MIN) == first
        assert pages.call_due(by=cast.sam, now=NOON + 5 * MIN) == 1, "answered, and not reached yet: it rings anew"
        alerts.record_contact(
            by=cast.nina, alert=first, whom=ContactAttempt.Whom.PATIENT, result=ContactAttempt.Result.SPOKE,
            at=NOON + 6 * MIN, now=NOON + 6 * MIN,
        )  # fmt: skip
        second = self.cry(cast, NOON + 4 * HOUR)
        assert second != first
        assert (second.tier, second.raised_at) == ("red", NOON + 4 * HOUR)
        assert pages.call_due(by=cast.sam, now=NOON + 4 * HOUR) == 1, "they were spoken with hours ago"


class TestPages:
    def test_what_was_answered_in_the_words_that_may_be_shown(self, cast, signed_in, now):
        response = make.make_response(cast.pat, cast.pat_user, code="phq-9", answers={"q9": 2})
        make_alert = raise_one(cast, ORANGE, Signal(Tier.YELLOW, "phq9_item9_unknown", "q9", None), response=response)
        shown = signed_in(cast.theo).get(reverse("assessments:alert", args=[make_alert.pk])).content.decode()
        assert "better off dead" in shown
        assert "More than half the days" in shown
        assert "nobody may read that as a no" in shown

    def test_what_was_corrected_since_and_what_else_is_open(self, cast, signed_in, now):
        """Hazard: somebody is rung up at night about an answer that was a slip of the pen, or closes one alert of two."""
        response = make.make_response(cast.pat, cast.pat_user, code="phq-9", answers={"q9": 3})
        alert = raise_one(cast, RED, response=response)
        client, url = signed_in(cast.theo), reverse("assessments:alert", args=[alert.pk])
        shown = client.get(url).content.decode()
        assert "since" not in shown.split("answered-title")[1].split("</section>")[0]
        assert "Another alert" not in shown
        more: dict[str, Any] = {"code": "phq-9", "correction_reason": "Misheard it."}
        second = make.make_response(cast.pat, cast.theo, answers={"q9": 1}, corrects=response, **more)
        third = make.make_response(cast.pat, cast.theo, answers={"q9": 0}, corrects=second, **more)
        other = raise_one(cast, YELLOW)
        cast.pat.life_state = "discharged"
        cast.pat.save(update_fields=["life_state"])
        shown = client.get(url).content.decode()
        assert "Nearly every day" in shown, "what raised it stays"
        assert "Corrected since by Theo Thorne" in shown
        assert "now 0. “Misheard it.”" in shown
        assert reverse("assessments:alert", args=[other.pk]) in shown
        assert ">Discharged</span>" in shown
        make.make_response(cast.pat, cast.theo, answers={}, corrects=third, is_retraction=True, **more)
        assert "Taken back since by Theo Thorne" in client.get(url).content.decode()

    def test_wording_that_is_not_ours_is_not_shown(self, cast, signed_in, now):
        response = make.make_response(cast.pat, cast.pat_user, code="madrs", answers={"q10": 4})
        alert = raise_one(cast, Signal(Tier.RED, "madrs_item10", "q10", 4), response=response)
        shown = signed_in(cast.theo).get(reverse("assessments:alert", args=[alert.pk])).content.decode()
        assert "its wording may not be shown" in shown

    def test_high_totals_with_a_no_are_read_in_the_morning_and_alarm_nobody(self, cast, signed_in, now):
        make.make_response(cast.pat, cast.pat_user, code="phq-9", answers=HIGH | {"q9": 0})
        make.make_response(cast.pat, cast.pat_user, code="phq-9", answers=HIGH | {"q9": 1})
        taken_back = make.make_response(cast.pat, cast.pat_user, code="phq-9", answers=HIGH | {"q9": 0})
        make.make_response(
            cast.pat, cast.pat_user, code="phq-9", answers=HIGH | {"q9": 2}, corrects=taken_back, correction_reason="Misheard."
        )  # fmt: skip
        assert [line["what"] for line in morning.to_read(cast.theo, NOON)] == ["PHQ-9 24"], "and not what was corrected"
        assert morning.to_read(cast.tess, NOON) == []
        assert "PHQ-9 24" in signed_in(cast.theo).get(reverse("assessments:alerts")).content.decode()
        assert not RiskAlert.objects.exists()

    def test_most_urgent_first_and_all_of_them_by_pages(self, cast, signed_in, now):
        for n in range(40):
            make.make_alert(cast.pat, ("yellow", "red", "orange")[n % 3], contact_by=NOON + n * MIN)
        client, url, seen = signed_in(cast.theo), reverse("assessments:alerts"), []
        while url:
            rows = client.get(url).context["rows"]
            seen += [row["tier"] for row in rows]
            more = client.get(url).context["more_url"]
            url = reverse("assessments:alerts") + more if more else ""
        assert seen == ["red"] * 13 + ["orange"] * 13 + ["yellow"] * 14
        assert client.get("/alerts/?after=nonsense").status_code == 200

    def test_panel_and_list_cost_the_same_however_many(self, cast, signed_in, now, django_assert_num_queries):
        client = signed_in(cast.theo)
        urls = [reverse("assessments:alerts"), reverse("assessments:chart_alerts", args=[cast.pat.pk])]
        raise_one(cast, ORANGE)
        counts = []
        for url in urls:
            client.get(url)
            with CaptureQueriesContext(connection) as found:
                client.get(url)
            counts.append(len(found))
        for _ in range(29):
            alert = make.make_alert(cast.pat)
            make.make_page(cast.denver, subject_id=alert.pk)
        for url, count in zip(urls, counts, strict=True):
            with django_assert_num_queries(count):
                client.get(url)


class TestNoShow:
    """Scenario 46: a missed visit of somebody at risk is a clinician's work of the same day, and no letter goes out."""

    @pytest.mark.parametrize(("tier", "asked"), [("orange", 1), ("red", 1), ("yellow", 0), ("", 0)])
    def test_outreach(self, cast, tier, asked):
        if tier:
            make.make_alert(cast.pat, tier)
        visit = make.make_appointment(cast.pat, cast.intake, cast.dana, NOON)
        attendance.mark_no_show(by=cast.frida, appointment=visit, now=NOON + HOUR)
        items = WorkItem.objects.open().filter(kind="outreach")
        assert items.count() == asked
        for item in items:
            assert (item.owner, item.subject_id) == (cast.theo, visit.pk)
            assert item.due_at.date() == NOON.date()
        assert not OutboundMessage.objects.exists()
        attendance.undo_no_show(by=cast.frida, appointment=visit, because="she is here", now=NOON + HOUR)
        assert not WorkItem.objects.open().filter(kind="outreach").exists()


def test_another_patients_ids_in_the_body_change_nothing(cast, signed_in, now):
    mine, other = raise_one(cast, ORANGE), raise_one(cast, ORANGE, patient=cast.quinn)
    data = {
        "level": "low",
        "outcome": "seen_soon",
        "rationale": "x",
        "alert": str(other.pk),
        "patient": str(cast.quinn.pk),
    }
    signed_in(cast.theo).post(reverse("assessments:dispose_alert", args=[mine.pk]), data)
    assert list(RiskAlert.objects.open()) == [other]
    assert signed_in(cast.theo).post(reverse("assessments:dispose_alert", args=[uuid4()]), data).status_code == 404
