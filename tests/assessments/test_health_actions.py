"""Facts are added, corrected, confirmed and taken back; each screens once, and what a prescriber did is looked up, not asked."""

import threading
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections

from assessments import plausible
from assessments.actions import flags, health
from assessments.models import (
    Allergy,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    ScreeningFlag,
    TreatmentTrial,
)
from clinic.audit import Verb
from clinic.errors import Refused
from clinic.models import AuditEvent, Role
from tests import factories as make
from tests.assessments.records import write_clean
from tests.cast import Cast, make_cast

NOW = make.NOON
AGO = NOW - timedelta(hours=1)
SAID = {"source": "clinician", "at": AGO}


def weigh(cast: Cast, by: Any = None, **values: Any) -> Measurement:
    said = {**SAID, "kind": "weight", "first": Decimal("70.5"), **values}
    return health.record_measurement(by=by or cast.nina, patient=cast.pat, now=NOW, **said)


class TestRecord:
    @pytest.mark.parametrize(
        ("record", "model", "values"),
        [
            (health.record_condition, Condition, {"kind": "tia", "state": "past", "onset_on": date(2026, 3, 1)}),
            (health.record_diagnosis, Diagnosis, {"text": "PTSD", "icd10": "F43.10", "indication": "ptsd"}),
            (health.record_allergy, Allergy, {"substance": "latex", "agent": "other", "reaction": "rash"}),
            (health.record_medication, Medication, {"text": "sertraline", "dose": "100 mg", "taking": "current"}),
            (health.record_measurement, Measurement, {"kind": "blood_pressure", "first": Decimal(120), "second": Decimal(80)}),
            (health.record_trial, TreatmentTrial, {"treatment": "sertraline", "weeks": 8, "is_adequate": True}),
            (health.record_family_history, FamilyHistory, {"psychosis": None}),
            (health.record_statement, HealthStatement, {"kind": "escort_possible", "value": True}),
        ],
    )  # fmt: skip
    def test_each_kind_is_kept_with_who_when_and_source(
        self, cast: Cast, record: Any, model: type[HealthFact], values: dict[str, Any]
    ) -> None:
        made = record(by=cast.nina, patient=cast.pat, now=NOW, note=" seen ", **SAID, **values)
        row = model._default_manager.get(pk=made.pk)
        assert {name: getattr(row, name) for name in values} == values
        assert (row.recorded_by, row.recorded_at, row.at, row.source, row.note) == (
            cast.nina,
            NOW,
            AGO,
            "clinician",
            "seen",
        )
        event = AuditEvent.objects.get(verb=Verb.HEALTH_RECORDED)
        assert (event.subject_id, event.patient_id, event.details) == (row.pk, cast.pat.pk, {})
        assert ScreeningFlag.objects.filter(patient=cast.pat).exists()

    def test_what_a_prescriber_is_comes_from_the_role_at_the_patients_place(self, cast: Cast) -> None:
        make.make_member(cast.omar, cast.denver, Role.THERAPIST)
        # A trainee does not lift what stops a dose by their own word.
        make.make_member(cast.theo, cast.denver, Role.PRESCRIBER, is_trainee=True, supervisor=cast.dana)
        # Nor does a prescriber who is not of the care team: an emergency opening is for reading.
        doris = make.make_user("Doris Drew")
        make.make_member(doris, cast.denver, Role.PRESCRIBER)
        people = (
            (cast.dana, True), (cast.nina, False), (cast.omar, False), (cast.theo, False), (doris, False), (cast.pat_user, False),
        )  # fmt: skip
        for minutes, (who, counts) in enumerate(people):
            row = weigh(cast, who, at=AGO - timedelta(minutes=minutes))
            assert row.by_prescriber is counts
        with pytest.raises(TypeError):
            weigh(cast, at=AGO - timedelta(hours=2), by_prescriber=True)

    def test_a_new_fact_raises_its_flag_in_the_same_transaction(self, cast: Cast) -> None:
        write_clean(cast.pat, cast.dana, NOW)
        health.record_condition(by=cast.nina, patient=cast.pat, now=NOW, kind="aneurysm", state="current", **SAID)
        assert [row.code for row in ScreeningFlag.objects.live()] == ["CV-ANEUR"]

    def test_many_are_screened_once_and_audited_once(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []
        real = flags.rescreen

        def counted(**values: Any) -> None:
            calls.append(values)
            real(**values)

        monkeypatch.setattr(flags, "rescreen", counted)
        entries = [
            health.Entry(model=Condition, values={"kind": "tia", "state": "absent"}, source="patient", at=AGO),
            health.Entry(model=Medication, values={"text": "xanax", "taking": "current"}, source="patient", at=AGO),
            health.Entry(model=Condition, values={"kind": "stroke", "state": "unknown"}, source="patient", at=AGO),
        ]
        rows = health.record_many(by=cast.pat_user, patient=cast.pat, entries=entries, now=NOW)
        assert [str(row) for row in rows] == ["tia absent", "xanax", "stroke unknown"]
        assert len(calls) == 1
        (event,) = AuditEvent.objects.filter(verb=Verb.HEALTH_RECORDED)
        assert event.details == {"facts": [f"{row._meta.model_name}:{row.pk}" for row in rows]}
        assert health.record_many(by=cast.pat_user, patient=cast.pat, entries=[], now=NOW) == []
        # The patient says the same again, and it counts again.
        assert len(health.record_many(by=cast.pat_user, patient=cast.pat, entries=entries, now=NOW)) == 3


class TestRefused:
    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"at": NOW + timedelta(minutes=1)}, "still to come"),
            ({"at": datetime(1984, 5, 16, 12, tzinfo=NOW.tzinfo)}, "before the patient was born"),
            ({"first": Decimal(401)}, "between 20 and 400 kg"),
            ({"first": Decimal("19.99")}, "between 20 and 400 kg"),
            ({"kind": "blood_pressure", "first": Decimal(80), "second": Decimal(120)}, "in their places"),
            ({"kind": "blood_pressure", "first": Decimal(301), "second": Decimal(80)}, "systolic pressure lies between"),
            ({"kind": "blood_pressure", "first": Decimal(120), "second": Decimal(19)}, "diastolic pressure lies between"),
            ({"kind": "heart_rate", "first": Decimal("70.5")}, "whole numbers"),
            ({"kind": "oxygen_saturation", "first": Decimal(101)}, "between 50 and 100 per cent"),
            ({"kind": "height", "first": Decimal(65)}, "the number and the unit"),
            ({"kind": "shoe size", "first": Decimal(44)}, "What: "),
            ({"source": "hearsay"}, "Say who said so"),
            ({"note": "x" * 501}, "Note: "),
        ],
    )  # fmt: skip
    def test_what_no_body_has_and_no_time_holds(self, cast: Cast, values: dict[str, Any], sentence: str) -> None:
        with pytest.raises(Refused, match=sentence):
            weigh(cast, **values)
        assert not Measurement.objects.exists()

    @pytest.mark.parametrize(
        ("days", "sentence"),
        [
            ({"onset_on": date(2027, 1, 14)}, "still to come"),
            ({"onset_on": date(1984, 5, 16)}, "before the patient was born"),
            ({"onset_on": date(2026, 5, 2), "resolved_on": date(2026, 5, 1)}, "before it began"),
        ],
    )
    def test_days_of_a_condition(self, cast: Cast, days: dict[str, date], sentence: str) -> None:
        with pytest.raises(Refused, match=sentence):
            health.record_condition(by=cast.nina, patient=cast.pat, now=NOW, kind="tia", state="past", **SAID, **days)

    def test_the_same_twice_is_told(self, cast: Cast) -> None:
        weigh(cast)
        with pytest.raises(health.OnRecord, match="since Wed 13 Jan 2027 09:00 MST"):
            weigh(cast)
        weigh(cast, at=AGO - timedelta(hours=1))
        assert Measurement.objects.count() == 2

    def test_a_question_is_answered_anew_on_another_day(self, cast: Cast) -> None:
        """What was said of the past year is too old after a year, and whether somebody is intoxicated is asked each day."""
        said: dict[str, Any] = {
            "by": cast.nina,
            "patient": cast.pat,
            "source": "patient",
            "kind": "ketamine_use",
            "value": False,
        }
        health.record_statement(**said, at=AGO, now=NOW)
        with pytest.raises(health.OnRecord):
            health.record_statement(**said, at=NOW, now=NOW)
        later = NOW + timedelta(days=400)
        key = {"patient": cast.pat, "code": "SUB-KET", "finding": "missing", "status": "open"}
        flags.rescreen(by=cast.nina, patient=cast.pat, now=later)
        asked = ScreeningFlag.objects.get(**key)
        health.record_statement(**said, at=later, now=later)
        health.record_condition(
            by=cast.nina,
            patient=cast.pat,
            now=later,
            source="patient",
            at=later,
            kind="ketamine_misuse",
            state="absent",
        )
        asked.refresh_from_db()
        assert asked.status == "resolved"
        assert not ScreeningFlag.objects.filter(**key).exists()

    @pytest.mark.parametrize("kind", sorted(plausible.RANGES))
    def test_both_ends_of_each_range_are_a_bodys(self, kind: str) -> None:
        first, second = plausible.RANGES[kind]
        for low in (True, False):
            numbers = [None if one is None else (one.low if low else one.high) for one in (first, second)]
            assert plausible.problem_of(kind, numbers[0], numbers[1]) == ""

    def test_units_round_as_they_say(self) -> None:
        assert plausible.kilograms(Decimal(150)) == Decimal("68.04")
        assert plausible.pounds(Decimal("68.04")) == Decimal("150.0")
        assert plausible.centimetres(Decimal(70)) == Decimal("177.80")
        assert plausible.times_uln(Decimal("120.1"), Decimal(40)) == Decimal("3.01")
        assert plausible.times_uln(Decimal(120), Decimal(40)) == Decimal("3.00")


class TestCorrect:
    def test_a_correction_is_a_new_row_and_the_old_stays(self, cast: Cast) -> None:
        old = weigh(cast)
        new = weigh(
            cast, first=Decimal("77.5"), corrects=old, correction_reason="read wrongly", at=AGO - timedelta(hours=3)
        )
        old.refresh_from_db()
        assert (old.first, new.corrects, new.correction_reason) == (Decimal("70.50"), old, "read wrongly")
        assert list(Measurement.objects.standing()) == [new]
        assert AuditEvent.objects.filter(verb=Verb.HEALTH_CORRECTED, subject_id=new.pk).exists()

    def test_only_the_newest_of_the_same_thing_and_with_a_reason(self, cast: Cast) -> None:
        old = weigh(cast)
        with pytest.raises(health.ReasonMissing, match="Say why"):
            weigh(cast, corrects=old, correction_reason=" ")
        with pytest.raises(health.AnotherThing, match="the same thing"):
            weigh(cast, kind="height", first=Decimal(180), corrects=old, correction_reason="x")
        of_quinn = make.make_health_fact(Measurement, cast.quinn, cast.nina, kind="weight", first=70)
        with pytest.raises(health.AnotherThing):
            weigh(cast, corrects=of_quinn, correction_reason="x")
        weigh(cast, first=Decimal(71), corrects=old, correction_reason="x")
        with pytest.raises(health.CorrectedAlready, match="correct the newest one"):
            weigh(cast, first=Decimal(72), corrects=old, correction_reason="x")

    def test_what_is_taken_back_stands_no_more_and_is_entered_anew(self, cast: Cast) -> None:
        old = weigh(cast)
        with pytest.raises(health.ReasonMissing):
            health.retract(by=cast.nina, fact=old, reason="", now=NOW)
        gone = health.retract(by=cast.nina, fact=old, reason="another patient", now=NOW)
        assert (gone.is_retraction, gone.corrects_id) == (True, old.pk)
        assert not Measurement.objects.standing().exists()
        with pytest.raises(health.CorrectedAlready):
            health.retract(by=cast.nina, fact=old, reason="again", now=NOW)
        with pytest.raises(health.TakenBack, match="Record it anew"):
            weigh(cast, corrects=gone, correction_reason="back")
        weigh(cast)

    def test_a_prescriber_confirms_what_somebody_recorded_or_took_back(self, cast: Cast) -> None:
        write_clean(cast.pat, cast.dana, NOW, without={"aneurysm"})
        said = {"kind": "aneurysm", "state": "current", **SAID}
        wrong = health.record_condition(by=cast.nina, patient=cast.pat, now=NOW, **said)
        absent = health.record_condition(
            by=cast.nina, patient=cast.pat, now=NOW, corrects=wrong, correction_reason="misread", **{**said, "state": "absent"}
        )  # fmt: skip
        assert [row.flag.awaits_prescriber for row in ScreeningFlag.objects.live()] == [True]
        # Doris has opened the chart in an emergency, which is for reading.
        doris = make.make_user("Doris Drew")
        make.make_member(doris, cast.denver, Role.PRESCRIBER)
        for other in (cast.nina, doris):
            with pytest.raises(health.NotAPrescriber, match="Only a prescriber of this patient’s care team"):
                health.confirm(by=other, fact=absent, now=NOW)
        sure = health.confirm(by=cast.dana, fact=absent, now=NOW)
        assert (sure.by_prescriber, sure.corrects_id, sure.at) == (True, absent.pk, absent.at)
        assert not ScreeningFlag.objects.live().exists()
        with pytest.raises(health.ConfirmedAlready):
            health.confirm(by=cast.dana, fact=sure, now=NOW)
        with pytest.raises(health.CorrectedAlready):
            health.confirm(by=cast.dana, fact=absent, now=NOW)
        taken_back = health.retract(by=cast.nina, fact=sure, reason="another patient", now=NOW)
        again = health.confirm(by=cast.dana, fact=taken_back, now=NOW)
        assert (again.is_retraction, again.by_prescriber) == (True, True)

    def test_a_prescriber_says_what_a_line_is(self, cast: Cast) -> None:
        write_clean(cast.pat, cast.dana, NOW)
        line = health.record_medication(
            by=cast.nina, patient=cast.pat, now=NOW, text="blue ones", taking="current", **SAID
        )
        assert [row.code for row in ScreeningFlag.objects.live()] == ["MED-UNREAD"]
        with pytest.raises(health.NotAPrescriber):
            health.confirm_medication(by=cast.nina, fact=line, classes=[], lorazepam_mg_a_day=None, now=NOW)
        with pytest.raises(health.NotPlausible, match="belongs to a benzodiazepine"):
            health.confirm_medication(
                by=cast.dana, fact=line, classes=["opioids"], lorazepam_mg_a_day=Decimal(1), now=NOW
            )
        with pytest.raises(health.NotPlausible, match="classes offered"):
            health.confirm_medication(by=cast.dana, fact=line, classes=["sweets"], lorazepam_mg_a_day=None, now=NOW)
        known = health.confirm_medication(
            by=cast.dana, fact=line, classes=["benzodiazepines"], lorazepam_mg_a_day=Decimal(4), now=NOW
        )  # fmt: skip
        assert isinstance(known, Medication)
        assert (known.confirmed_as, known.lorazepam_mg_a_day, known.text) == (
            ["benzodiazepines"],
            Decimal(4),
            "blue ones",
        )
        assert {row.code for row in ScreeningFlag.objects.live()} == {"MED-BENZO", "MED-BENZO-DOSE"}
        health.confirm_medication(by=cast.dana, fact=known, classes=[], lorazepam_mg_a_day=None, now=NOW)
        assert not ScreeningFlag.objects.live().exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_correct_at_once_make_one_correction() -> None:
    cast = make_cast()
    old = weigh(cast)
    results: list[str] = []
    ready = threading.Barrier(2)

    def correct(kg: int) -> None:
        ready.wait()
        try:
            weigh(cast, first=Decimal(kg), corrects=old, correction_reason="slip")
            results.append("done")
        except health.CorrectedAlready:
            results.append("told")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=correct, args=(kg,)) for kg in (71, 72)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["done", "told"]
    assert connection.vendor == "postgresql"
    assert Measurement.objects.standing().count() == 1
