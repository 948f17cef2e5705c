"""What the tables say about a patient is what screening is told: every kind of row, every rule, every correction."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assessments import facts, factsheet, screening
from assessments.facts import (
    AllergyAgent,
    BloodPressure,
    Condition,
    ConditionKind,
    FamilyHistory,
    Indicated,
    Indication,
    LiverTest,
    Medication,
    OxygenSaturation,
    PregnancyTest,
    SafetyAnswer,
    SafetyInstrument,
    SafetyResult,
    SexAtBirth,
    State,
    Statement,
    StatementKind,
    SubstanceInstrument,
    SubstanceScore,
    SymptomInstrument,
    SymptomScore,
    Taking,
    TreatmentTrial,
    Weight,
)
from assessments.medicines import MedicineClass, lists
from assessments.models import (
    CareEvent,
    Disposition,
    HealthStatement,
    Measurement,
    RiskAlert,
)
from assessments.models import Condition as ConditionRow
from assessments.models import Diagnosis as DiagnosisRow
from assessments.models import Medication as MedicationRow
from assessments.screening import Finding, screen
from clinic.models import Role
from patients.models import Patient
from tests import factories as make
from tests.assessments.policy import LIMITS
from tests.assessments.records import answered, write, write_clean
from tests.cast import Cast

NOW = make.NOON
TODAY = date(2027, 1, 13)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def known(patient: Patient) -> dict[str, facts.Fact]:
    return {fact.id: fact for fact in factsheet.facts_of(patient, now=NOW).known}


def codes(patient: Patient, *, found: bool = False) -> set[str]:
    flags = screen(factsheet.facts_of(patient, now=NOW), LIMITS, NOW.astimezone(patient.home_location.tz))
    return {flag.code for flag in flags if not found or flag.finding is Finding.FOUND}


def a_medicine_of(medicine_class: MedicineClass) -> str:
    return next(" ".join(words) for words, entry in sorted(lists().by_words.items()) if medicine_class in entry.classes)


# Something that raises each rule, beside those that the rows of conditions and medicines raise below.
EVERYTHING: list[facts.Fact] = [
    *(Condition(id=f"{kind}-{state}", at=ago(days=2), kind=kind, state=state) for kind in ConditionKind for state in State),
    Condition(id="mi", at=ago(days=3), kind=ConditionKind.MYOCARDIAL_INFARCTION, state=State.PAST, onset_on=date(2026, 10, 1), resolved_on=date(2026, 10, 9)),
    Condition(id="by-dana", at=ago(days=1), kind=ConditionKind.GLAUCOMA, state=State.CONTROLLED, by_prescriber=True),
    *(Medication(id=f"m-{one}", at=ago(days=4), text=a_medicine_of(one)) for one in MedicineClass),
    Medication(id="benzos", at=ago(days=4), text="lorazepam 1 mg", lorazepam_mg_a_day=Decimal("4.25")),
    Medication(id="unread", at=ago(days=4), text="the little blue ones", taking=Taking.UNKNOWN),
    Medication(id="settled", at=ago(days=4), text="klonapin", by_prescriber=True, confirmed_as=frozenset({MedicineClass.BENZODIAZEPINES})),
    Medication(id="none of them", at=ago(days=4), text="zzz", by_prescriber=True, confirmed_as=frozenset()),
    Medication(id="misspelt", at=ago(days=4), text="lamotragine", taking=Taking.CURRENT),
    Medication(id="stopped", at=ago(days=4), text="tramadol", taking=Taking.STOPPED),
    facts.Allergy(id="ketamine", at=ago(days=5), substance="Ketalar", agent=AllergyAgent.KETAMINE),
    facts.Allergy(id="sorbitol", at=ago(days=5), substance="sorbitol", agent=AllergyAgent.EXCIPIENT),
    facts.Allergy(id="pollen", at=ago(days=5), substance="pollen", agent=AllergyAgent.OTHER),
    facts.Allergy(id="uncoded", at=ago(days=5), substance="bees"),
    *(Statement(id=f"{kind}-{value}", at=ago(days=1), kind=kind, value=value) for kind in StatementKind for value in (True, False, None)),
    BloodPressure(id="bp1", at=ago(days=3), systolic=170, diastolic=80),
    BloodPressure(id="bp2", at=ago(days=2), systolic=150, diastolic=104),
    BloodPressure(id="bp3", at=ago(days=1), systolic=130, diastolic=80),
    OxygenSaturation(id="spo2", at=ago(hours=1), percent=91),
    Weight(id="weight", at=ago(days=40), kilograms=Decimal("70.25")),
    LiverTest(id="high", at=ago(days=9), alt_times_uln=Decimal("3.10"), ast_times_uln=None),
    LiverTest(id="raised", at=ago(days=8), alt_times_uln=Decimal("1.20"), ast_times_uln=Decimal("0.90"), by_prescriber=True),
    *(PregnancyTest(id=f"hcg-{result}", at=ago(hours=1), positive=result) for result in (True, False, None)),
    TreatmentTrial(id="trial", at=ago(days=1), adequate=True, failed=None, current_episode=False),
    *(FamilyHistory(id=f"family-{p}-{d}", at=ago(days=1), psychosis=p, first_degree=d) for p in (True, False, None) for d in (True, False, None)),
    Indicated(id="trd", at=ago(days=1), indication=Indication.TRD),
    SymptomScore(id="phq9", at=ago(days=1), instrument=SymptomInstrument.PHQ_9, total=4),
    SymptomScore(id="no total", at=ago(days=2), instrument=SymptomInstrument.PHQ_9, total=None),
    SafetyAnswer(id="item9", at=ago(days=2), instrument=SafetyInstrument.PHQ9_ITEM_9, result=SafetyResult.MODERATE),
    SymptomScore(id="phq9-late", at=ago(hours=3), instrument=SymptomInstrument.PHQ_9, total=7),
    SafetyAnswer(id="skipped", at=ago(hours=3), instrument=SafetyInstrument.PHQ9_ITEM_9, result=None),
    SymptomScore(id="gad7", at=ago(days=1), instrument=SymptomInstrument.GAD_7, total=5),
    SubstanceScore(id="audit", at=ago(days=1), instrument=SubstanceInstrument.AUDIT_C, total=9),
    SubstanceScore(id="dast", at=ago(days=1), instrument=SubstanceInstrument.DAST_10, total=None),
    *(
        SafetyAnswer(id=f"asq-{result}", at=ago(days=2), instrument=SafetyInstrument.ASQ, result=result)
        for result in (SafetyResult.NEGATIVE, SafetyResult.POSITIVE, SafetyResult.ACUTE, None)
    ),
    *(
        SafetyAnswer(id=f"cssrs-{result}", at=ago(days=1), instrument=SafetyInstrument.CSSRS, result=result, by_prescriber=by_prescriber)
        for result in (SafetyResult.NEGATIVE, SafetyResult.LOW, SafetyResult.MODERATE, SafetyResult.HIGH, None)
        for by_prescriber in (True, False)
    ),
]  # fmt: skip
OF_THE_DAY = {
    "RISK-DAY",
    "SUB-INTOX",
    "REP-UNK",
    "MED-SEDHYP-DAY",
    "MED-ALCOHOL-DAY",
    "MED-NASAL-DAY",
    "MED-OPIOID-DAY",
}


class TestEveryRow:
    def test_the_tables_say_exactly_what_was_written(self, cast: Cast) -> None:
        """Every kind of fact with every value it may have, read back as the same plain facts, in one query."""
        cast.pat.sex_at_birth = Patient.Sex.FEMALE
        prescribed = [fact for fact in EVERYTHING if fact.by_prescriber]
        expected = write(cast.pat, prescribed, cast.dana)
        expected += write(cast.pat, [fact for fact in EVERYTHING if not fact.by_prescriber], cast.nina)
        write(cast.quinn, EVERYTHING[:3], cast.nina)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sheet = factsheet.facts_of(cast.pat, now=NOW)
        assert len(queries) == 1
        assert {fact.id: fact for fact in sheet.known} == {fact.id: fact for fact in expected}
        assert (sheet.birth_date, sheet.sex_at_birth) == (date(1984, 5, 17), SexAtBirth.FEMALE)
        pure = replace(sheet, known=tuple(expected))
        assert screen(sheet, LIMITS, NOW.astimezone(cast.denver.tz)) == screen(
            pure, LIMITS, NOW.astimezone(cast.denver.tz)
        )

    def test_every_rule_of_1_3_and_1_4_is_raised_from_the_tables(self, cast: Cast) -> None:
        cast.pat.birth_date = date(1950, 1, 1)
        write(cast.pat, EVERYTHING, cast.nina)
        cast.quinn.birth_date = date(2015, 1, 1)
        raised = codes(cast.pat) | codes(cast.quinn)
        assert raised >= {rule.code for rule in screening.RULES} - OF_THE_DAY
        # What is old is asked of Quinn, whose chart is empty: each of those flags is a question.
        assert codes(cast.quinn, found=True) == {"ELIG-AGE"}

    def test_nothing_stands_against_who_answered_everything_well(self, cast: Cast) -> None:
        write_clean(cast.pat, cast.dana, NOW)
        assert codes(cast.pat) == set()

    def test_a_weight_that_was_only_said_is_no_weight(self, cast: Cast) -> None:
        """domain.md 1.1: a dose by weight asks for a measured one."""
        for source in ("clinician", "patient"):
            make.make_health_fact(Measurement, cast.pat, cast.nina, kind="weight", first=70, source=source)
        kinds = [type(fact) for fact in factsheet.facts_of(cast.pat, now=NOW).known]
        assert sorted(kind.__name__ for kind in kinds) == ["Fact", "Weight"]

    def test_an_empty_record_is_no_facts_and_a_sex_nobody_asked_is_none(self, cast: Cast) -> None:
        sheet = factsheet.facts_of(cast.quinn, now=NOW, planned_route=facts.Route.IM)
        assert (sheet.known, sheet.sex_at_birth, sheet.first_dosed_at) == ((), None, None)
        assert sheet.planned_route is facts.Route.IM


class TestCorrections:
    def test_a_retraction_corrects_and_says_nothing(self, cast: Cast) -> None:
        old = make.make_health_fact(HealthStatement, cast.pat, cast.nina, kind="escort_possible", value=False)
        make.make_health_fact(
            HealthStatement, cast.pat, cast.nina, at=ago(hours=1), kind="escort_possible", value=False, corrects=old,
            correction_reason="another patient", is_retraction=True,
        )  # fmt: skip
        bare = [fact for fact in known(cast.pat).values() if type(fact) is facts.Fact]
        assert [fact.corrects for fact in bare] == [f"healthstatement:{old.pk}"]
        assert "SOC-ESC" not in codes(cast.pat, found=True)

    def test_a_correction_to_an_earlier_hour_takes_the_place_of_the_old(self, cast: Cast) -> None:
        """Written later, though it was measured earlier: the wrong value must not live on beside the right one."""
        old = make.make_health_fact(Measurement, cast.pat, cast.dana, at=ago(hours=2), kind="pregnancy_test", result="positive")  # fmt: skip
        assert "REP-PREG" in codes(cast.pat, found=True)
        make.make_health_fact(
            Measurement, cast.pat, cast.dana, at=ago(hours=5), recorded_at=ago(hours=1), kind="pregnancy_test", result="negative",
            corrects=old, correction_reason="read wrongly", by_prescriber=True,
        )  # fmt: skip
        assert "REP-PREG" not in codes(cast.pat, found=True)

    @pytest.mark.parametrize(("by_prescriber", "stays"), [(False, True), (True, False)])
    def test_a_block_goes_by_a_prescribers_correction_only(self, cast: Cast, by_prescriber: bool, stays: bool) -> None:
        old = make.make_health_fact(ConditionRow, cast.pat, cast.nina, kind="aneurysm", state="current")
        make.make_health_fact(
            ConditionRow, cast.pat, cast.nina, at=ago(hours=1), kind="aneurysm", state="absent", corrects=old,
            correction_reason="misread", by_prescriber=by_prescriber,
        )  # fmt: skip
        assert ("CV-ANEUR" in codes(cast.pat, found=True)) is stays

    def test_a_diagnosis_that_is_no_indication_is_no_fact_but_corrects_one(self, cast: Cast) -> None:
        old = make.make_health_fact(DiagnosisRow, cast.pat, cast.nina, text="PTSD", indication="ptsd")
        make.make_health_fact(
            DiagnosisRow, cast.pat, cast.nina, at=ago(hours=1), text="Asthma", corrects=old, correction_reason="slip"
        )
        assert {type(fact) for fact in known(cast.pat).values()} == {Indicated, facts.Fact}

    def test_a_corrected_phq9_takes_its_old_item_9_with_it(self, cast: Cast) -> None:
        old = answered(cast.pat, "phq-9", cast.pat_user, ago(days=1), total=10, answers={"q9": 3})
        new = answered(
            cast.pat, "phq-9", cast.nina, ago(hours=1), total=7, answers={"q9": 0}, mode="paper", corrects=old,
            correction_reason="typed wrongly",
        )  # fmt: skip
        sheet = known(cast.pat)
        assert sheet[f"assessmentresponse:{new.pk}:item9"].corrects == f"assessmentresponse:{old.pk}:item9"
        gone = answered(
            cast.pat, "phq-9", cast.nina, ago(minutes=5), corrects=new, correction_reason="wrong patient", is_retraction=True
        )  # fmt: skip
        sheet = known(cast.pat)
        assert (
            type(sheet[f"assessmentresponse:{gone.pk}"])
            is type(sheet[f"assessmentresponse:{gone.pk}:item9"])
            is facts.Fact
        )


class TestAnswers:
    @pytest.mark.parametrize(
        ("value", "result"),
        [(0, SafetyResult.NEGATIVE), (1, SafetyResult.LOW), (2, SafetyResult.MODERATE), (3, SafetyResult.HIGH), (None, None), ("3", None), (7, None), (True, None)],
    )  # fmt: skip
    def test_item_9_is_what_was_answered_and_nothing_is_read_into_a_blank(
        self, cast: Cast, value: object, result: SafetyResult | None
    ) -> None:
        answers = {} if value is None else {"q9": value}
        response = answered(cast.pat, "phq-9", cast.pat_user, ago(days=1), total=9, answers=answers)
        fact = known(cast.pat)[f"assessmentresponse:{response.pk}:item9"]
        assert isinstance(fact, SafetyAnswer)
        assert fact.result is result

    @pytest.mark.parametrize(
        ("code", "category"), [("asq", "positive_unknown"), ("c-ssrs", ""), ("asq", "no such one")]
    )
    def test_a_screen_that_stayed_open_is_no_result_and_is_asked_about(
        self, cast: Cast, code: str, category: str
    ) -> None:
        """An earlier complete screen does not answer for it: PSY-SUI asks anew."""
        write_clean(cast.pat, cast.dana, NOW)
        assert "PSY-SUI" not in codes(cast.pat)
        answered(cast.pat, code, cast.pat_user, ago(hours=1), category=category)
        assert "PSY-SUI" in codes(cast.pat)

    @pytest.mark.parametrize(
        ("mode", "by", "rater", "counts"),
        [
            ("clinician", "dana", None, True), ("on_behalf", "dana", None, True), ("clinician", "nina", "dana", False),
            ("paper", "dana", None, False), ("portal", "dana", None, False), ("clinician", "nina", None, False),
            ("clinician", "dana", "nina", False), ("clinician", "omar", None, False), ("clinician", "dana", "dana", True),
        ],
    )  # fmt: skip
    def test_who_asked_decides_whether_a_screen_is_a_prescribers(
        self, cast: Cast, mode: str, by: str, rater: str | None, counts: bool
    ) -> None:
        """Who typed a patient's sheet did not examine anybody, a prescriber of another place answers for nobody here, and whom a
        form names as the rater did not enter it: it lifts what stops a dose, so no form carries it.
        """
        response = answered(
            cast.pat, "c-ssrs", getattr(cast, by), ago(hours=1), category="none", mode=mode, rater=rater and getattr(cast, rater)
        )  # fmt: skip
        assert known(cast.pat)[f"assessmentresponse:{response.pk}"].by_prescriber is counts

    def test_a_screen_that_a_prescriber_rated_is_not_taken_back_by_anybody_else(self, cast: Cast) -> None:
        """The correction carried the rater of what it corrects, and so counted as a prescriber's, whoever made it."""
        write_clean(cast.pat, cast.dana, NOW)
        rated = answered(
            cast.pat, "c-ssrs", cast.dana, ago(hours=1), category="high", mode="clinician", rater=cast.dana
        )
        assert "PSY-SUI" in codes(cast.pat, found=True)
        answered(
            cast.pat, "c-ssrs", cast.nina, ago(minutes=30), mode="clinician", rater=cast.dana, is_retraction=True, corrects=rated,
            correction_reason="slip",
        )  # fmt: skip
        assert "PSY-SUI" in codes(cast.pat, found=True)
        answered(cast.pat, "c-ssrs", cast.nina, ago(minutes=20), category="none", mode="clinician", rater=cast.dana)
        assert "PSY-SUI" in codes(cast.pat, found=True)
        answered(cast.pat, "c-ssrs", cast.dana, ago(minutes=10), category="none", mode="clinician", rater=cast.dana)
        assert "PSY-SUI" not in codes(cast.pat)

    def test_somebody_who_prescribed_here_at_the_time_stays_the_one_who_asked(self, cast: Cast) -> None:
        gone = make.make_user("Gone Prescriber")
        make.make_member(gone, cast.denver, Role.PRESCRIBER, ended_at=ago(days=2))
        then = answered(cast.pat, "c-ssrs", gone, ago(days=3), category="none", mode="clinician")
        after = answered(cast.pat, "c-ssrs", gone, ago(days=1), category="none", mode="clinician")
        sheet = known(cast.pat)
        assert sheet[f"assessmentresponse:{then.pk}"].by_prescriber is True
        assert sheet[f"assessmentresponse:{after.pk}"].by_prescriber is False

    def test_a_disposition_names_the_answer_it_is_about(self, cast: Cast) -> None:
        for code, suffix in (("phq-9", ":item9"), ("asq", "")):
            response = answered(cast.pat, code, cast.pat_user, ago(hours=3), total=9 if code == "phq-9" else None, category="positive")  # fmt: skip
            alert = RiskAlert.objects.create(
                patient=cast.pat, location=cast.denver, response=response, tier="yellow", signals=[], raised_at=ago(hours=3),
                contact_by=NOW,
            )  # fmt: skip
            made = Disposition.objects.create(
                alert=alert, level="none", outcome="safe_at_home", rationale="asked", means="none", plan="call", by=cast.dana, at=ago(hours=2)
            )  # fmt: skip
            fact = known(cast.pat)[f"disposition:{made.pk}"]
            assert isinstance(fact, facts.Disposition)
            assert fact.answer_id == f"assessmentresponse:{response.pk}{suffix}"
            assert fact.answer_id in known(cast.pat)


class TestTheRest:
    def test_the_first_dose_is_the_earliest_that_was_given(self, cast: Cast) -> None:
        for number, (kind, at, cancelled) in enumerate(
            [("dose_given", ago(days=5), None), ("dose_given", ago(days=9), None), ("dose_given", ago(days=20), NOW), ("dose_planned", ago(days=30), None)]
        ):  # fmt: skip
            CareEvent.objects.create(
                patient=cast.pat, kind=kind, at=at, subject_type="dosingsession", subject_id=cast.pat.pk.__class__(int=number),
                recorded_at=at, cancelled_at=cancelled,
            )  # fmt: skip
        assert factsheet.facts_of(cast.pat, now=NOW).first_dosed_at == ago(days=9)

    def test_what_stands_beside_a_medicine_is_read_with_it(self, cast: Cast) -> None:
        make.make_health_fact(MedicationRow, cast.pat, cast.nina, text="Sertraline", dose="100 mg, and xanax at night", taking="current")  # fmt: skip
        assert "MED-BENZO" in codes(cast.pat, found=True)

    def test_a_class_that_no_list_knows_confirms_nothing(self, cast: Cast) -> None:
        make.make_health_fact(
            MedicationRow,
            cast.pat,
            cast.dana,
            text="xanax",
            taking="current",
            confirmed_as=["gone"],
            by_prescriber=True,
        )
        assert "MED-BENZO" in codes(cast.pat, found=True)

    def test_half_a_millimetre_counts_upwards_and_half_a_per_cent_downwards(self, cast: Cast) -> None:
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind="blood_pressure", first=Decimal("159.5"), second=Decimal("99.5"))  # fmt: skip
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind="oxygen_saturation", first=Decimal("93.5"))
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind="height", first=170)
        kinds = (BloodPressure, OxygenSaturation, facts.Fact)
        pressure, oxygen, height = sorted(known(cast.pat).values(), key=lambda fact: kinds.index(type(fact)))
        assert isinstance(pressure, BloodPressure)
        assert isinstance(oxygen, OxygenSaturation)
        assert (pressure.systolic, pressure.diastolic, oxygen.percent, type(height)) == (160, 100, 93, facts.Fact)
