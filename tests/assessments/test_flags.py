"""Flags in step with facts: raised once, settled when their fact goes, asked anew when it changes, and what that does to a clearance."""

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from assessments import flagdata, screening, tasks
from assessments.actions import clearances, flags
from assessments.facts import ConditionKind
from assessments.models import Clearance, Condition, HealthStatement, Measurement, Medication, Screening, ScreeningFlag
from assessments.screening import Binds, Finding, Flag, Severity, screen
from clinic import policy, subjects
from clinic.actions import licences, signatures
from clinic.actions.signatures import Proof
from clinic.audit import Verb
from clinic.errors import Refused
from clinic.models import AuditEvent, Licence, Role, Signature, User, WorkItem
from patients.actions import patients as identities
from patients.models import CareTeamMember, Patient
from tests import factories as make
from tests.assessments.policy import LIMITS
from tests.assessments.records import write_clean
from tests.assessments.screened import CLEAN, with_facts
from tests.cast import Cast

NOW = make.NOON
Status = ScreeningFlag.Status


def live(patient: Patient, code: str = "") -> list[ScreeningFlag]:
    rows = ScreeningFlag.objects.live().filter(patient=patient).order_by("key")
    return [row for row in rows if not code or row.code == code]


@pytest.fixture
def clean(cast: Cast) -> Cast:
    """Pat has answered everything well and was screened: nothing stands."""
    write_clean(cast.pat, cast.dana, NOW)
    flags.rescreen(by=cast.nina, patient=cast.pat, now=NOW)
    return cast


def condition(cast: Cast, kind: str, state: str = "current", **fields: Any) -> Condition:
    row: Condition = make.make_health_fact(Condition, cast.pat, cast.nina, at=NOW, kind=kind, state=state, **fields)
    return row


def override(row: ScreeningFlag, cast: Cast, until: date) -> None:
    """Leave a flag as a prescriber's decision leaves it."""
    ScreeningFlag.objects.filter(pk=row.pk).update(
        status=Status.OVERRIDDEN, reason_code="monitored", reason_text="watched", plan_text="closely", decided_by=cast.dana,
        decided_at=NOW, expires_on=until, signature=make.make_signature(cast.dana, cast.denver, Signature.Purpose.OVERRIDE, subject_id=row.pk),
    )  # fmt: skip


class TestRescreen:
    def test_a_new_fact_raises_its_flag_whole(self, clean: Cast) -> None:
        assert live(clean.pat) == []
        fact = condition(clean, "aneurysm")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        (row,) = live(clean.pat)
        assert (row.code, row.severity, row.finding, row.status) == ("CV-ANEUR", "block", "found", Status.OPEN)
        assert row.trigger == f"condition:{fact.pk}"
        assert (row.rule_set_version, row.policy.number) == (screening.RULE_SET_VERSION, 1)
        assert row.flag.sentence.startswith("On record: aneurysmal vascular disease.")
        assert row.flag.suspends_clearance
        # The flag is read once a row; a row with other data is read anew.
        row.data = {**row.data, "severity": "info"}
        lighter = row.flag
        assert not lighter.suspends_clearance
        row.refresh_from_db()
        assert row.flag.suspends_clearance

    def test_the_empty_record_is_all_questions(self, cast: Cast) -> None:
        flags.rescreen(by=cast.nina, patient=cast.quinn, now=NOW)
        assert {row.finding for row in live(cast.quinn)} == {"missing"}
        assert "REP-PREG" in {row.code for row in live(cast.quinn)}

    def test_twice_is_once(self, clean: Cast) -> None:
        condition(clean, "aneurysm")
        for _time in range(2):
            flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        assert ScreeningFlag.objects.filter(patient=clean.pat).count() == 1
        assert AuditEvent.objects.filter(verb=Verb.FLAG_RAISED, patient_id=clean.pat.pk).count() == 1

    def test_nothing_new_is_four_questions_and_no_answer(self, clean: Cast) -> None:
        """Patient, policy, flags, facts: however many rows there are."""
        for number in range(30):
            make.make_health_fact(
                Measurement, clean.pat, clean.nina, at=NOW - timedelta(hours=number), kind="weight", first=70
            )
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        with CaptureQueriesContext(connection) as queries:
            flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
        assert [sql.split()[0].strip("(") for sql in asked] == ["SELECT"] * 4

    def test_a_corrected_fact_settles_its_flag_and_keeps_it(self, clean: Cast) -> None:
        old = condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        (raised,) = live(clean.pat)
        later = NOW + timedelta(hours=1)
        make.make_health_fact(
            Condition, clean.pat, clean.nina, at=later, kind="hypertension", state="absent", corrects=old, correction_reason="slip"
        )  # fmt: skip
        flags.rescreen(by=clean.nina, patient=clean.pat, now=later)
        raised.refresh_from_db()
        assert (raised.status, raised.settled_at, live(clean.pat)) == (Status.RESOLVED, later, [])

    def test_a_block_corrected_by_a_nurse_stays_and_awaits_a_prescriber(self, clean: Cast) -> None:
        old = condition(clean, "aneurysm")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        fixed: dict[str, Any] = {"kind": "aneurysm", "state": "absent", "correction_reason": "misread"}
        by_nurse = make.make_health_fact(
            Condition, clean.pat, clean.nina, at=NOW + timedelta(hours=1), corrects=old, **fixed
        )
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW + timedelta(hours=1))
        (row,) = live(clean.pat)
        assert (row.code, row.flag.awaits_prescriber) == ("CV-ANEUR", True)
        make.make_health_fact(
            Condition, clean.pat, clean.dana, at=NOW + timedelta(hours=2), corrects=by_nurse, by_prescriber=True, **fixed
        )  # fmt: skip
        flags.rescreen(by=clean.dana, patient=clean.pat, now=NOW + timedelta(hours=2))
        assert live(clean.pat) == []

    def test_a_decision_is_asked_anew_when_the_fact_changes_and_not_before(self, clean: Cast) -> None:
        old = condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        (row,) = live(clean.pat)
        override(row, clean, date(2027, 4, 13))
        condition(clean, "glaucoma", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        assert [one.status for one in live(clean.pat, "CV-HTN-CTL")] == [Status.OVERRIDDEN]
        later = NOW + timedelta(days=1)
        make.make_health_fact(
            Condition, clean.pat, clean.nina, at=later, kind="hypertension", state="current", corrects=old, correction_reason="worse"
        )  # fmt: skip
        flags.rescreen(by=clean.nina, patient=clean.pat, now=later)
        row.refresh_from_db()
        (asked,) = live(clean.pat, "CV-HTN-CTL")
        assert (row.status, asked.status, asked.decided_by) == (Status.RESOLVED, Status.OPEN, None)

    def test_what_counts_towards_a_decision_is_part_of_it(self, clean: Cast) -> None:
        """A second benzodiazepine below the limit of each, above it together: the old decision does not cover it."""
        for at, dose in ((NOW, "3.5"), (NOW + timedelta(hours=1), "0.5")):
            make.make_health_fact(
                Medication, clean.pat, clean.dana, at=at, text="lorazepam", taking="current", lorazepam_mg_a_day=Decimal(dose),
                by_prescriber=True, confirmed_as=["benzodiazepines"],
            )  # fmt: skip
            flags.rescreen(by=clean.dana, patient=clean.pat, now=at)
            (row,) = live(clean.pat, "MED-BENZO-DOSE")
            assert row.status == Status.OPEN
            override(row, clean, date(2027, 4, 13))
        assert ScreeningFlag.objects.filter(code="MED-BENZO-DOSE").count() == 2

    def test_a_policy_without_a_limit_screens_nobody_and_says_so(self, clean: Cast) -> None:
        values = {**policy.FIRST_LIMITS, "screening": {**policy.FIRST_LIMITS["screening"]}}
        del values["screening"]["attempt_months"]
        make.make_policy(clean.dana, values, number=2)
        with pytest.raises(policy.LimitNotSet, match="the clinic’s policy sets no limit"), transaction.atomic():
            flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        with pytest.raises(policy.NoPolicyInForce), transaction.atomic():
            flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW - timedelta(days=4000))

    def test_days_are_those_of_the_clinic(self, clean: Cast) -> None:
        """Six weeks after an event end at midnight in Denver, not in Greenwich."""
        last_evening = datetime(2027, 2, 25, 5, 0, tzinfo=UTC)
        condition(clean, "tia", "past", onset_on=date(2027, 1, 13))
        flags.rescreen(by=clean.nina, patient=clean.pat, now=last_evening)
        assert [row.severity for row in live(clean.pat, "CV-EVENT")] == ["block"]
        flags.rescreen(by=clean.nina, patient=clean.pat, now=last_evening + timedelta(hours=3))
        assert [row.severity for row in live(clean.pat, "CV-EVENT")] == ["override"]

    def test_the_audit_names_flags_and_no_illness(self, clean: Cast) -> None:
        condition(clean, "aneurysm")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        event = AuditEvent.objects.get(verb=Verb.FLAG_RAISED, patient_id=clean.pat.pk)
        assert event.details == {"flags": [str(live(clean.pat)[0].pk)]}


class TestClearance:
    @pytest.fixture
    def cleared(self, clean: Cast) -> Clearance:
        return make.make_clearance(clean.pat, "cleared", by=clean.dana)

    def items(self, patient: Patient) -> set[tuple[str, str]]:
        rows = WorkItem.objects.open().filter(kind=WorkItem.Kind.FLAG_TO_DECIDE, subject_id=patient.pk)
        return {(row.owner.name if row.owner else "", row.owner_role) for row in rows.select_related("owner")}

    def test_a_new_block_suspends_in_the_same_transaction_and_calls_the_prescriber(
        self, clean: Cast, cleared: Clearance
    ) -> None:
        with transaction.atomic():
            condition(clean, "aneurysm")
            flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
            cleared.refresh_from_db()
            assert cleared.status == Clearance.Status.SUSPENDED
            assert self.items(clean.pat) == {("Dana Deng", "")}
            transaction.set_rollback(True)
        cleared.refresh_from_db()
        assert cleared.status == Clearance.Status.CLEARED
        assert self.items(clean.pat) == set()

    @pytest.mark.parametrize(
        ("make_fact", "told"),
        [
            (lambda cast: condition(cast, "hypertension", "controlled"), True),
            (lambda cast: make.make_health_fact(Medication, cast.pat, cast.nina, at=NOW, text="blue ones", taking="current"), True),
            (lambda cast: condition(cast, "glaucoma", "controlled"), False),
            (lambda cast: make.make_health_fact(HealthStatement, cast.pat, cast.nina, at=NOW, kind="escort_possible", value=None), False),
        ],
    )  # fmt: skip
    def test_a_new_override_leaves_it_and_is_put_before_the_prescriber(
        self, clean: Cast, cleared: Clearance, make_fact: Any, told: bool
    ) -> None:
        """What is only to know, and what is only a question, calls nobody."""
        make_fact(clean)
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        cleared.refresh_from_db()
        assert cleared.status == Clearance.Status.CLEARED
        assert self.items(clean.pat) == ({("Dana Deng", "")} if told else set())

    def test_nobody_is_called_about_somebody_who_is_not_cleared(self, clean: Cast) -> None:
        condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        assert self.items(clean.pat) == set()

    def test_without_a_prescriber_on_the_team_those_of_the_place_and_the_lead_are_told(
        self, clean: Cast, cleared: Clearance
    ) -> None:
        CareTeamMember.objects.filter(user=clean.dana).update(ended_at=NOW, ended_by=clean.dana)
        condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        assert self.items(clean.pat) == {("", Role.PRESCRIBER), ("Theo Thorne", "")}
        items = WorkItem.objects.filter(kind=WorkItem.Kind.FLAG_TO_DECIDE)
        team = reverse("patients:care_team", args=[clean.pat.pk])
        chart = reverse("assessments:chart_flags", args=[clean.pat.pk])
        for who, url in ((clean.theo, chart), (clean.dana, team), (clean.omar, None)):
            label = subjects.labels(who, items, NOW).get(clean.pat.pk)
            assert (label and label.url) == url, who.name

    def test_a_block_after_an_override_is_looked_at_within_the_hour(self, clean: Cast, cleared: Clearance) -> None:
        """The item was open already, and was due the day after."""
        condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        item = WorkItem.objects.open().get(kind=WorkItem.Kind.FLAG_TO_DECIDE)
        assert item.due_at == NOW + flags.OVERRIDE_WITHIN
        condition(clean, "aneurysm")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        item.refresh_from_db()
        assert item.due_at == NOW + flags.BLOCK_WITHIN
        condition(clean, "glaucoma")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW + timedelta(hours=2))
        item.refresh_from_db()
        assert item.due_at == NOW + flags.BLOCK_WITHIN

    def test_the_list_is_cleared_when_the_fact_is_gone(self, clean: Cast, cleared: Clearance) -> None:
        old = condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        make.make_health_fact(
            Condition, clean.pat, clean.nina, at=NOW, kind="hypertension", state="absent", corrects=old, correction_reason="slip"
        )  # fmt: skip
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        assert self.items(clean.pat) == set()


class TestTime:
    """Beat: what nobody recorded and time alone changed."""

    def test_results_age_and_ask_anew(self, clean: Cast) -> None:
        make.make_clearance(clean.pat, "cleared", by=clean.dana)
        assert flags.rescreen_by_time(now=NOW + timedelta(hours=3)) == 0
        in_autumn = NOW + timedelta(days=200)
        assert flags.rescreen_by_time(now=in_autumn) == 1
        assert [row.finding for row in live(clean.pat, "HEP-SEV")] == ["missing"]
        assert flags.rescreen_by_time(now=in_autumn + timedelta(hours=2)) == 0

    def test_a_decision_that_ran_out_is_asked_anew(self, clean: Cast) -> None:
        make.make_clearance(clean.pat, "cleared", by=clean.dana)
        condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        (row,) = live(clean.pat)
        override(row, clean, date(2027, 1, 14))
        flags.rescreen_by_time(now=NOW + timedelta(days=1))
        assert [one.status for one in live(clean.pat, "CV-HTN-CTL")] == [Status.OVERRIDDEN]
        flags.rescreen_by_time(now=NOW + timedelta(days=2))
        row.refresh_from_db()
        (asked,) = live(clean.pat, "CV-HTN-CTL")
        assert (row.status, asked.status) == (Status.EXPIRED, Status.OPEN)

    def test_six_weeks_pass(self, clean: Cast) -> None:
        make.make_clearance(clean.pat, "suspended", by=clean.dana)
        condition(clean, "tia", "past", onset_on=date(2026, 12, 10))
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        flags.rescreen_by_time(now=datetime(2027, 1, 22, 8, 0, tzinfo=UTC))
        assert [row.severity for row in live(clean.pat, "CV-EVENT")] == ["override"]

    def test_nobody_without_a_living_clearance_and_one_bad_record_holds_up_nobody(
        self, clean: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tomorrow = NOW + timedelta(days=1)
        assert flags.rescreen_by_time(now=tomorrow) == 0
        flags.rescreen(by=clean.nina, patient=clean.quinn, now=NOW - timedelta(days=1))
        for patient in (clean.pat, clean.quinn):
            make.make_clearance(patient, "cleared", by=clean.dana)
        real = flags.rescreen

        def fails_for_quinn(*, patient: Patient, **more: Any) -> None:
            if patient.pk == clean.quinn.pk:
                raise ValueError("unreadable")
            real(patient=patient, **more)

        monkeypatch.setattr(flags, "rescreen", fails_for_quinn)
        assert flags.rescreen_by_time(now=tomorrow) == 1
        assert Screening.objects.get(patient=clean.pat).screened_at == tomorrow

    def test_new_limits_and_new_rules_are_asked_the_same_day(self, clean: Cast) -> None:
        clearance = make.make_clearance(clean.pat, "cleared", by=clean.dana)
        assert flags.rescreen_by_time(now=NOW + timedelta(hours=1)) == 0
        stricter = copy.deepcopy(policy.FIRST_LIMITS)
        stricter["screening"]["bp"]["high"] = [118, 75]
        make.make_policy(clean.dana, stricter, number=2, effective_at=NOW + timedelta(hours=2))
        assert flags.rescreen_by_time(now=NOW + timedelta(hours=1)) == 0
        assert flags.rescreen_by_time(now=NOW + timedelta(hours=2)) == 1
        clearance.refresh_from_db()
        assert clearance.status == Clearance.Status.SUSPENDED
        Screening.objects.update(rule_set_version="1")
        assert flags.rescreen_by_time(now=NOW + timedelta(hours=2)) == 1
        Screening.objects.update(medicines_version="old")
        assert flags.rescreen_by_time(now=NOW + timedelta(hours=2)) == 1
        assert flags.rescreen_by_time(now=NOW + timedelta(hours=2)) == 0

    def test_a_corrected_birth_date_or_sex_is_a_fact_as_well(
        self, clean: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clearance = make.make_clearance(clean.pat, "cleared", by=clean.dana)
        patient = Patient.objects.get(pk=clean.pat.pk)
        known = identities.identity_of(patient=patient)
        young = replace(known, birth_date=date(2010, 1, 1))
        patient = identities.edit(by=clean.frida, patient=patient, version=patient.version, identity=young, now=NOW)
        clearance.refresh_from_db()
        assert (clearance.status, [row.code for row in live(clean.pat)]) == (Clearance.Status.SUSPENDED, ["ELIG-AGE"])
        patient = identities.edit(by=clean.frida, patient=patient, version=patient.version, identity=known, now=NOW)
        assert live(clean.pat) == []

        def no_limits(_now: datetime) -> Any:
            raise policy.NoPolicyInForce

        # In a clinic without limits a record is corrected all the same.
        monkeypatch.setattr(policy, "in_force", no_limits)
        identities.edit(by=clean.frida, patient=patient, version=patient.version, identity=young, now=NOW)
        assert Patient.objects.get(pk=clean.pat.pk).birth_date == young.birth_date

    def test_beat_calls_it(self, clean: Cast, now: datetime) -> None:
        make.make_clearance(clean.pat, "cleared", by=clean.dana)
        Screening.objects.update(screened_at=now - timedelta(days=1))
        tasks.rescreen_by_time()
        assert Screening.objects.get(patient=clean.pat).screened_at == now


class TestWhatIsKept:
    def test_every_flag_is_told_again_as_it_was(self) -> None:
        """Out of the row comes the flag that went in, whatever it speaks of."""
        all_kinds = [
            *screen(with_facts(without=("liver", "phq9", "audit", "test", "spo2"), dosing=True), LIMITS, NOW),
            *screen(CLEAN.__class__(birth_date=date(2015, 1, 1)), LIMITS, NOW),
        ]
        one = Flag(
            code="X", rule_version=3, severity=Severity.INFO, finding=Finding.FOUND, trigger=None, says="%(day)s %(kinds)s %(n)s",
            lifts="", details=(("day", date(2027, 1, 1)), ("kinds", (ConditionKind.TIA, ConditionKind.STROKE)), ("n", Decimal("3.0"))),
            evidence=("a",), contradicted_by=("b",), lifted_by=frozenset({"c", "d"}), binds=Binds.DAY, expires_on=date(2027, 1, 1),
            is_soft=True,
        )  # fmt: skip
        for flag in (*all_kinds, one):
            again = flagdata.flag_of(flagdata.as_data(flag))
            assert again == flag
            assert again.sentence == flag.sentence

    def test_a_condition_that_no_list_knows_any_more_is_told_by_its_code(self) -> None:
        data = flagdata.as_data(screen(with_facts(without=("liver",)), LIMITS, NOW)[0])
        data["details"] = [["condition", {"condition": "forgotten"}]]
        data["says"] = "On record: %(condition)s."
        with translation.override("en"):
            assert flagdata.flag_of(data).sentence == "On record: forgotten."

    def test_what_a_flag_cannot_speak_of_is_refused(self) -> None:
        flag = screen(with_facts(without=("liver",)), LIMITS, NOW)[0]
        with pytest.raises(TypeError, match="not of float"):
            flagdata.as_data(flag.__class__(**{**flag.__dict__, "details": (("n", 1.5),)}))

    def test_the_database_refuses_a_block_that_is_decided(self, clean: Cast) -> None:
        condition(clean, "aneurysm")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        (row,) = live(clean.pat)
        with pytest.raises(IntegrityError, match="flag_block_never_overridden"), transaction.atomic():
            override(row, clean, date(2027, 4, 13))


class TestDecide:
    """An OVERRIDE that was found is decided by a prescriber of the team: a reason, words, a plan, a signature and an end."""

    @pytest.fixture
    def asked(self, clean: Cast, now: datetime) -> ScreeningFlag:
        make.make_secrets(clean.dana, clean.nina)
        make.make_licences(clean.dana)
        condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=now)
        (row,) = live(clean.pat)
        return row

    def decide(self, flag: ScreeningFlag, by: User, **values: Any) -> ScreeningFlag:
        proof = values.pop("proof", Proof(password=make.PASSWORD, code=make.app_code()))
        said = {
            "reason_code": "stable_and_treated",
            "reason_text": "On one drug for years.",
            "plan_text": "Readings every 5 min.",
        }
        return flags.decide(by=by, flag=flag, proof=proof, now=values.pop("now", NOW), **{**said, **values})

    def test_it_is_decided_signed_and_runs_out(self, clean: Cast, asked: ScreeningFlag) -> None:
        make.make_clearance(clean.pat, "cleared", by=clean.dana)
        self.decide(asked, clean.dana)
        asked.refresh_from_db()
        assert (asked.status, asked.decided_by, asked.decided_at) == (Status.OVERRIDDEN, clean.dana, NOW)
        assert asked.expires_on == date(2027, 4, 13)
        assert asked.content.splitlines() == [
            f"In spite of CV-HTN-CTL, version 1: {asked.flag.sentence}",
            "Reason: stable and treated. On one drug for years.",
            "Plan: Readings every 5 min.",
            "Holds until Tue 13 Apr 2027",
        ]
        assert asked.signature is not None
        assert signatures.matches(asked.signature, asked.content)
        event = AuditEvent.objects.get(verb=Verb.FLAG_DECIDED)
        assert (event.actor_id, event.patient_id, event.details) == (
            clean.dana.pk,
            clean.pat.pk,
            {"reason": "stable_and_treated"},
        )

    def test_the_prescribers_list_is_cleared(self, clean: Cast, now: datetime) -> None:
        make.make_secrets(clean.dana)
        make.make_licences(clean.dana)
        make.make_clearance(clean.pat, "cleared", by=clean.dana)
        condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=now)
        items = WorkItem.objects.open().filter(kind=WorkItem.Kind.FLAG_TO_DECIDE)
        assert items.count() == 1
        self.decide(live(clean.pat)[0], clean.dana)
        assert items.count() == 0

    @pytest.mark.parametrize(
        ("values", "refusal", "sentence"),
        [
            ({"reason_code": "because"}, flags.ReasonMissing, "Choose a reason"),
            ({"reason_text": "  "}, flags.ReasonMissing, "in your own words"),
            ({"plan_text": " "}, flags.PlanMissing, "what is done about the risk"),
            ({"proof": Proof(password="wrong", code="000000")}, signatures.WrongProof, "Nothing was signed"),
        ],
    )  # fmt: skip
    def test_what_is_not_said_or_not_shown_is_refused(
        self, clean: Cast, asked: ScreeningFlag, values: dict[str, Any], refusal: type[Refused], sentence: str
    ) -> None:
        with pytest.raises(refusal, match=sentence), transaction.atomic():
            self.decide(asked, clean.dana, **values)
        asked.refresh_from_db()
        assert asked.status == Status.OPEN

    @pytest.mark.parametrize(
        ("facts", "refusal", "sentence"),
        [
            ({"kind": "aneurysm", "state": "current"}, flags.BlockStands, "nobody can decide otherwise"),
            ({"kind": "tia", "state": "unknown"}, flags.QuestionIsAnswered, "Record the answer"),
            ({"kind": "glaucoma", "state": "controlled"}, flags.NothingToDecide, "Mark it as seen"),
        ],
    )
    def test_a_block_a_question_and_an_info_are_not_decided(
        self, clean: Cast, asked: ScreeningFlag, facts: dict[str, str], refusal: type[Refused], sentence: str
    ) -> None:
        if facts["kind"] == "tia":
            Patient.objects.filter(pk=clean.quinn.pk).update(sex_at_birth="female")
            make.make_care_team_member(clean.quinn, clean.dana)
            flags.rescreen(by=clean.nina, patient=clean.quinn, now=NOW)
            row = live(clean.quinn, "CV-EVENT")[0]
        else:
            condition(clean, facts["kind"], facts["state"])
            flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
            row = next(one for one in live(clean.pat) if one.pk != asked.pk)
        with pytest.raises(refusal, match=sentence), transaction.atomic():
            self.decide(row, clean.dana)

    def test_a_soft_one_needs_no_plan(self, clean: Cast, asked: ScreeningFlag) -> None:
        make.make_health_fact(Medication, clean.pat, clean.nina, at=NOW, text="gabapentin 300 mg", taking="current")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        (row,) = live(clean.pat, "MED-GABA")
        assert self.decide(row, clean.dana, plan_text="").status == Status.OVERRIDDEN

    def test_nobody_else_decides(self, clean: Cast, asked: ScreeningFlag) -> None:
        """A nurse, a prescriber of another place, one without a licence, one who is not on the team."""
        other = make.make_user("Other Prescriber")
        make.make_member(other, clean.denver, Role.PRESCRIBER)
        make.make_licences(other)
        make.make_secrets(other, clean.omar)
        make.make_licences(clean.omar)
        for who, refusal in (
            (clean.nina, licences.NotLicensed),
            (clean.omar, licences.NotLicensed),
            (other, clearances.NotOfTheTeam),
        ):
            with pytest.raises(refusal), transaction.atomic():
                self.decide(asked, who)
        Licence.objects.filter(user=clean.dana, kind="dea").update(expires_on=date(2027, 1, 12))
        with pytest.raises(licences.LicenceExpired), transaction.atomic():
            self.decide(asked, clean.dana)

    def test_what_changed_meanwhile_is_not_decided_and_twice_is_told(self, clean: Cast, asked: ScreeningFlag) -> None:
        ScreeningFlag.objects.filter(pk=asked.pk).update(status=Status.RESOLVED, settled_at=NOW)
        with pytest.raises(flags.HasChanged, match="Nothing of yours was signed"), transaction.atomic():
            self.decide(asked, clean.dana)

    def test_another_patients_flag_is_not_decided_under_this_one(self, clean: Cast, asked: ScreeningFlag) -> None:
        override = flags.Override(asked.pk, "monitored", "x", "y")
        make.make_care_team_member(clean.quinn, clean.dana)
        with pytest.raises(flags.HasChanged):
            flags.guard_overrides(by=clean.dana, patient=clean.quinn, overrides=[override], now=NOW)
        with pytest.raises(flags.HasChanged):
            flags.guard_overrides(by=clean.dana, patient=clean.pat, overrides=[override, override], now=NOW)


class TestAcknowledge:
    def test_an_info_is_seen_once_and_asked_anew_when_it_changes(self, clean: Cast) -> None:
        old = condition(clean, "glaucoma", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        (row,) = live(clean.pat)
        flags.acknowledge(by=clean.nina, flag=row, now=NOW)
        flags.acknowledge(by=clean.dana, flag=row, now=NOW + timedelta(hours=1))
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        row.refresh_from_db()
        assert (row.status, row.decided_by) == (Status.ACKNOWLEDGED, clean.nina)
        make.make_health_fact(
            Condition, clean.pat, clean.nina, at=NOW, kind="glaucoma", state="past", corrects=old, correction_reason="new letter"
        )  # fmt: skip
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        assert [one.status for one in live(clean.pat)] == [Status.OPEN]
        with pytest.raises(flags.HasChanged):
            flags.acknowledge(by=clean.nina, flag=row, now=NOW)

    def test_what_holds_a_dose_is_not_ticked_off(self, clean: Cast) -> None:
        condition(clean, "hypertension", "controlled")
        flags.rescreen(by=clean.nina, patient=clean.pat, now=NOW)
        with pytest.raises(flags.NotForSeeing, match="having seen it is not enough"):
            flags.acknowledge(by=clean.dana, flag=live(clean.pat)[0], now=NOW)
