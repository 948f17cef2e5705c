"""The health panel and its forms: nothing filled in, nothing left out, who may, and what an entry changed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assessments import healthchart, healthwords
from assessments.facts import ConditionKind
from assessments.models import (
    Allergy,
    Clearance,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    TreatmentTrial,
)
from clinic.models import AuditEvent, User
from tests import factories as make
from tests.assessments.records import write_clean
from tests.cast import Cast

NOW = make.NOON
SignedIn = Callable[[User], Client]
SAID = {"source": "clinician", "note": ""}
RECORDS: list[tuple[str, str, type[HealthFact], dict[str, str], dict[str, Any]]] = [
    ("condition", "", Condition, {"kind": "tia", "state": "past", "onset_on": "2026-03-01"}, {"kind": "tia", "state": "past"}),
    ("diagnosis", "", Diagnosis, {"text": "PTSD", "indication": "ptsd", "icd10": "F43.10"}, {"text": "PTSD", "indication": "ptsd"}),
    ("diagnosis", "", Diagnosis, {"text": "Asthma", "indication": "none"}, {"indication": ""}),
    ("allergy", "", Allergy, {"substance": "latex", "agent": "none"}, {"substance": "latex", "agent": ""}),
    ("medication", "", Medication, {"text": "xanax", "dose": "1 mg", "taking": "current"}, {"text": "xanax", "confirmed_as": None}),
    ("trial", "", TreatmentTrial, {"treatment": "TMS", "is_adequate": "yes", "has_failed": "no", "in_current_episode": "unknown", "weeks": "6"},
     {"is_adequate": True, "has_failed": False, "in_current_episode": None, "weeks": 6}),
    ("family_history", "", FamilyHistory, {"psychosis": "yes", "is_first_degree": "unknown"}, {"psychosis": True, "is_first_degree": None}),
    ("family_history", "", FamilyHistory, {"psychosis": "no", "is_first_degree": "yes"}, {"psychosis": False, "is_first_degree": None}),
    ("statement", "escort_possible", HealthStatement, {"value": "unknown"}, {"kind": "escort_possible", "value": None}),
    ("measurement", "blood_pressure", Measurement, {"systolic": "142", "diastolic": "88"}, {"first": 142, "second": 88}),
    ("measurement", "weight", Measurement, {"weight": "150", "weight_unit": "lb"}, {"first": Decimal("68.04")}),
    ("measurement", "weight", Measurement, {"weight": "70.25", "weight_unit": "kg"}, {"first": Decimal("70.25")}),
    ("measurement", "height", Measurement, {"height": "70", "height_unit": "in"}, {"first": Decimal("177.80")}),
    ("measurement", "heart_rate", Measurement, {"heart_rate": "64"}, {"first": 64}),
    ("measurement", "oxygen_saturation", Measurement, {"saturation": "97"}, {"first": 97}),
    ("measurement", "liver_test", Measurement, {"alt": "120.1", "alt_limit": "40"},
     {"first": Decimal("3.01"), "second": None, "note": "ALT 120.1 U/L (≤ 40)"}),
    ("measurement", "pregnancy_test", Measurement, {"result": "negative"}, {"result": "negative"}),
    ("measurement", "ecg", Measurement, {"result": "abnormal", "note": "LBBB"}, {"result": "abnormal", "note": "LBBB"}),
]  # fmt: skip


def path(cast: Cast, name: str, kind: str = "") -> str:
    return reverse(f"assessments:record_{name}", kwargs={"patient_id": cast.pat.pk}) + (f"?kind={kind}" if kind else "")


def of(fact: HealthFact, name: str) -> str:
    if name == "confirm_medicine":
        return reverse("assessments:confirm_medicine", kwargs={"fact_id": fact.pk})
    return reverse(f"assessments:{name}", kwargs={"table": healthchart.table_of(fact), "fact_id": fact.pk})


def panel(cast: Cast) -> str:
    return reverse("assessments:chart_health", kwargs={"patient_id": cast.pat.pk})


@pytest.mark.usefixtures("now")
class TestRecord:
    def test_each_form_asks_and_keeps_what_was_entered(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = signed_in(cast.nina)
        for name, kind, model, typed, kept in RECORDS:
            page = nina.get(path(cast, name, kind))
            body = page.content.decode()
            assert page.status_code == 200, name
            assert " checked" not in body, (name, "nothing is chosen beforehand")
            answer = nina.post(path(cast, name, kind), {**SAID, **typed})
            assert answer.status_code == 302, (name, kind, answer.context and answer.context["form"].errors)
            row = model._default_manager.order_by("-recorded_at", "-id").first()
            assert row is not None
            assert {field: getattr(row, field) for field in kept} == kept, name
            assert (row.at, row.source, row.recorded_by, row.by_prescriber) == (NOW, "clinician", cast.nina, False)
            assert answer["Location"] == f"{panel(cast)}?after={healthchart.table_of(row)}:{row.pk}"

    def test_an_empty_form_is_refused_and_keeps_what_was_typed(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = signed_in(cast.nina)
        for name, kind, _model, typed, _kept in RECORDS:
            assert nina.post(path(cast, name, kind), {}).status_code == 422, name
            answer = nina.post(path(cast, name, kind), {**typed, "note": "<b>typed</b>"})
            assert answer.status_code == 422
            assert "&lt;b&gt;typed&lt;/b&gt;" in answer.content.decode()
        for model in (Condition, Measurement, HealthStatement):
            assert not model._default_manager.exists()

    @pytest.mark.parametrize(
        ("name", "kind", "typed", "sentence"),
        [
            ("measurement", "weight", {"weight": "700", "weight_unit": "kg"}, "between 20 and 400 kg"),
            ("measurement", "weight", {"weight": "NaN", "weight_unit": "kg"}, "number"),
            ("measurement", "weight", {"weight": "1e9", "weight_unit": "kg"}, ""),
            ("measurement", "weight", {"weight": "70"}, "Choose one"),
            ("measurement", "blood_pressure", {"systolic": "80", "diastolic": "120"}, "in their places"),
            ("measurement", "blood_pressure", {"systolic": "120", "diastolic": "80", "on": "2027-01-13"}, "both the day and the time"),
            ("measurement", "blood_pressure", {"systolic": "120", "diastolic": "80", "on": "2027-01-13", "clock": "09:01"}, "still to come"),
            ("measurement", "liver_test", {"alt": "40"}, "the result and its upper limit"),
            ("measurement", "liver_test", {"alt": "40", "alt_limit": "0"}, "more than 0"),
            ("measurement", "liver_test", {}, "ALT, AST or both"),
            ("condition", "", {"kind": "leprosy", "state": "past"}, "Choose one"),
            ("condition", "", {"kind": "tia", "state": "past", "onset_on": "2027-01-14"}, "still to come"),
            ("statement", "escort_possible", {"value": "yes", "on": "9999-12-31"}, "still to come"),
            ("condition", "", {"kind": "tia", "state": "past", "on": "1984-05-16"}, "before the patient was born"),
            ("family_history", "", {"psychosis": "yes"}, "a parent, brother, sister or child"),
            ("medication", "", {"text": "x" * 201, "taking": "current"}, "too long"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_said(
        self, cast: Cast, signed_in: SignedIn, name: str, kind: str, typed: dict[str, str], sentence: str
    ) -> None:
        answer = signed_in(cast.nina).post(path(cast, name, kind), {**SAID, **typed})
        assert answer.status_code == 422
        assert sentence in answer.content.decode()

    def test_a_time_is_the_clinics_and_a_day_without_one_is_its_noon(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = signed_in(cast.nina)
        nina.post(
            path(cast, "measurement", "heart_rate"), {**SAID, "heart_rate": "60", "on": "2027-01-13", "clock": "08:40"}
        )
        assert Measurement.objects.get().at == datetime(2027, 1, 13, 15, 40, tzinfo=NOW.tzinfo)
        nina.post(path(cast, "condition"), {**SAID, "kind": "tia", "state": "absent", "on": "2027-01-04"})
        assert Condition.objects.get().at == datetime(2027, 1, 4, 19, 0, tzinfo=NOW.tzinfo)

    def test_the_kind_is_chosen_first_and_a_wrong_one_is_no_error(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = signed_in(cast.nina)
        for name, kinds in (("measurement", len(Measurement.Kind) + 1), ("statement", len(healthwords.ASKED))):
            for kind in ("", "nonsense"):
                page = nina.get(path(cast, name, kind))
                assert page.content.decode().count(f"{path(cast, name)}?kind=") == kinds
        assert nina.post(path(cast, "measurement", "nonsense"), SAID).status_code == 200
        assert not Measurement.objects.exists()

    def test_twice_is_told(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = signed_in(cast.nina)
        typed = {**SAID, "kind": "tia", "state": "absent"}
        assert nina.post(path(cast, "condition"), typed).status_code == 302
        answer = nina.post(path(cast, "condition"), typed)
        assert answer.status_code == 422
        assert "on record already" in answer.content.decode()

    def test_a_body_cannot_name_another_patient_or_make_a_prescriber(self, cast: Cast, signed_in: SignedIn) -> None:
        typed = {
            **SAID,
            "kind": "tia",
            "state": "absent",
            "patient": str(cast.quinn.pk),
            "by_prescriber": "on",
            "corrects": "x",
        }
        signed_in(cast.nina).post(path(cast, "condition"), typed)
        row = Condition.objects.get()
        assert (row.patient, row.by_prescriber, row.corrects) == (cast.pat, False, None)


@pytest.mark.usefixtures("now")
class TestPanel:
    def test_an_empty_record_says_what_nobody_asked(self, cast: Cast, signed_in: SignedIn) -> None:
        body = signed_in(cast.nina).get(panel(cast)).content.decode()
        assert f"{len(ConditionKind)} not asked" in body
        assert body.count("Not measured") == len(Measurement.Kind)
        assert "Not recorded what the patient is treated for" in body
        # Every question, and the family.
        assert body.count(">Not asked<") == len(healthwords.ASKED) + 1

    def test_a_full_one_shows_values_authors_and_readings(self, cast: Cast, signed_in: SignedIn) -> None:
        write_clean(cast.pat, cast.dana, NOW)
        for text in ("klonapin .5", "the blue ones", "sertraline", "multivitamin"):
            make.make_health_fact(Medication, cast.pat, cast.nina, text=text, taking="current")
        make.make_health_fact(
            Medication, cast.pat, cast.dana, text="zzz", taking="current", confirmed_as=[], by_prescriber=True
        )
        make.make_health_fact(
            Condition, cast.pat, cast.nina, at=NOW, kind="tia", state="past", note="<script>x</script>"
        )
        body = signed_in(cast.nina).get(panel(cast)).content.decode()
        assert "70 kg (154.3 lb)" in body
        assert "120/76 mmHg" in body
        assert "Read as clonazepam: check" in body
        assert "Not recognised: check" in body
        assert "none of the classes that matter here" in body
        assert "<script>x" not in body
        assert "recorded by Nina Novak" in body
        assert "Transient ischaemic attack" in body

    def test_nothing_unread_is_ever_shown_as_calm(self, cast: Cast) -> None:
        for text in ("the blue ones", "blue + sertraline", "klonapin", "kratom", "xanax", "ketamine"):
            line = Medication(patient=cast.pat, text=text, taking="current")
            assert healthwords.reading_of(line)[0] == "amber", text
        assert healthwords.reading_of(Medication(text="multivitamin"))[0] == "neutral"

    def test_after_an_entry_the_panel_says_what_it_changed(self, cast: Cast, signed_in: SignedIn) -> None:
        write_clean(cast.pat, cast.dana, NOW)
        make.make_clearance(cast.pat, "cleared", by=cast.dana)
        nina = signed_in(cast.nina)
        answer = nina.post(path(cast, "condition"), {**SAID, "kind": "aneurysm", "state": "current"}, follow=True)
        body = answer.content.decode()
        assert "The clearance is suspended" in body
        assert "This raises:" in body
        assert "A rise in blood pressure could rupture it" in body
        assert Clearance.objects.get().status == Clearance.Status.SUSPENDED
        fact = Condition.objects.get(kind="aneurysm", state="current")
        body = nina.post(of(fact, "correct_fact"), {**SAID, "state": "absent", "correction_reason": "misread"}, follow=True).content.decode()  # fmt: skip
        assert "no prescriber has looked yet" in body
        newest = Condition.objects.get(corrects=fact)
        with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
            dana = signed_in(cast.dana)
            body = dana.post(of(newest, "confirm_fact"), follow=True).content.decode()
        assert "This lifts:" in body
        assert "no prescriber has looked yet" not in body
        with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
            typed = {**SAID, "heart_rate": "60"}
            body = dana.post(path(cast, "measurement", "heart_rate"), typed, follow=True).content.decode()
        assert "No flag is raised by it, and none is lifted." in body

    def test_every_page_says_whose_record_it_writes(self, cast: Cast, signed_in: SignedIn) -> None:
        line = make.make_health_fact(Medication, cast.pat, cast.nina, text="xanax", taking="current")
        dana = signed_in(cast.dana)
        for page in (
            *(path(cast, name, kind) for name, kind, *_rest in RECORDS),
            *(of(line, name) for name in ("health_fact", "correct_fact", "take_back_fact", "confirm_medicine")),
        ):
            body = dana.get(page).content.decode()
            assert f'<span class="strip-name">{cast.pat.full_name}</span>' in body, page
            assert "born 17 May 1984" in body, page

    def test_a_code_is_in_capitals_and_looks_like_one(self, cast: Cast, signed_in: SignedIn) -> None:
        nina, typed = signed_in(cast.nina), {**SAID, "text": "PTSD", "indication": "ptsd"}
        refused = nina.post(path(cast, "diagnosis"), {**typed, "icd10": "PTSD"})
        assert refused.status_code == 422
        assert "looks like F33.2" in refused.content.decode()
        assert nina.post(path(cast, "diagnosis"), {**typed, "icd10": "f43.10"}).status_code == 302
        assert Diagnosis.objects.get().icd10 == "F43.10"

    def test_what_no_rule_reads_is_never_called_nothing(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = signed_in(cast.nina)
        for kind, typed, says in (
            ("ecg", {"result": "abnormal", "note": "QTc 512 ms"}, "No rule reads this result."),
            ("urine_drug_screen", {"result": "positive"}, "No rule reads this result."),
            ("weight", {"weight": "70", "weight_unit": "kg"}, "Doses by weight are reckoned from it."),
            ("weight", {"weight": "71", "weight_unit": "kg", "source": "patient"}, "no dose is reckoned from it."),
        ):
            body = nina.post(path(cast, "measurement", kind), {**SAID, **typed}, follow=True).content.decode()
            assert says in body, kind
            assert "No flag is raised by it, and none is lifted." not in body, kind

    def test_vital_signs_are_recorded_together_and_screened_once(self, cast: Cast, signed_in: SignedIn) -> None:
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind="weight", first=70)
        nina, where = signed_in(cast.nina), path(cast, "measurement", "vitals")
        assert f'href="{where}"' in nina.get(path(cast, "measurement")).content.decode()
        assert " checked" not in nina.get(where).content.decode()
        typed = {**SAID, "systolic": "128", "diastolic": "78", "heart_rate": "66", "weight": "156", "weight_unit": "lb"}
        for changed, sentence in (
            ({"systolic": ""}, "Enter both numbers of the blood pressure"),
            ({"weight_unit": ""}, "Choose pounds or kilograms."),
            ({"systolic": "78", "diastolic": "128"}, "in their places"),
            ({"weight_unit": "kg"}, "Check the number and the unit"),
        ):
            refused = nina.post(where, {**typed, **changed})
            assert refused.status_code == 422, sentence
            assert sentence in refused.content.decode(), sentence
        assert "at least one value" in nina.post(where, SAID).content.decode()
        assert Measurement.objects.count() == 1, "all or none"
        body = nina.post(where, typed, follow=True).content.decode()
        rows = {row.kind: row for row in Measurement.objects.order_by("id") if isinstance(row, Measurement)}
        assert {kind: (row.first, row.second, row.at) for kind, row in rows.items()} == {
            "weight": (Decimal("70.76"), None, NOW), "blood_pressure": (128, 78, NOW), "heart_rate": (66, None, NOW),
        }  # fmt: skip
        for words in ("128/78 mmHg", "Heart rate: 66 beats a minute", "Weight: 70.76 kg (156 lb)"):
            assert words in body, words

    def test_a_weight_far_from_the_last_is_looked_at_twice(self, cast: Cast, signed_in: SignedIn) -> None:
        """Pounds typed as kilograms would double every dose by weight."""
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind="weight", first=Decimal("70.50"))
        nina, where = signed_in(cast.nina), path(cast, "measurement", "weight")
        assert "looked again" not in nina.get(where).content.decode()
        answer = nina.post(where, {**SAID, "weight": "155", "weight_unit": "kg"})
        body = answer.content.decode()
        assert answer.status_code == 422
        assert "This is 155 kg (341.7 lb); on " in body
        assert "it was 70.5 kg (155.4 lb)" in body
        assert 'name="looked_again"' in body
        assert Measurement.objects.count() == 1
        again = {**SAID, "weight": "155", "weight_unit": "lb"}
        assert nina.post(where, again).status_code == 302
        heavier = {**SAID, "weight": "155", "weight_unit": "kg", "looked_again": "on"}
        assert nina.post(where, heavier).status_code == 302
        kept = [row.first for row in Measurement.objects.order_by("id") if isinstance(row, Measurement)]
        assert kept == [Decimal("70.50"), Decimal("70.31"), 155]

    def test_after_is_no_way_to_another_patients_facts(self, cast: Cast, signed_in: SignedIn) -> None:
        of_quinn = make.make_health_fact(Medication, cast.quinn, cast.nina, text="secret pills", taking="current")
        nina = signed_in(cast.nina)
        for after in (f"medication:{of_quinn.pk}", "medication:nonsense", "nonsense", "user:1", "a:b:c"):
            page = nina.get(panel(cast), {"after": after})
            assert page.status_code == 200
            assert "secret pills" not in page.content.decode()

    def test_thirty_rows_of_each_kind_ask_no_more_than_one(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = signed_in(cast.nina)
        counts = []
        for rows in (1, 30):
            for number in range(rows):
                at = NOW - timedelta(days=number + 1, hours=rows)
                for model, values in (
                    (Condition, {"kind": "tia", "state": "past"}), (Diagnosis, {"text": "x"}), (Allergy, {"substance": "x"}),
                    (Medication, {"text": "xanax", "taking": "current"}), (Measurement, {"kind": "weight", "first": 70}),
                    (TreatmentTrial, {"treatment": "x"}), (FamilyHistory, {}), (HealthStatement, {"kind": "can_consent", "value": True}),
                ):  # fmt: skip
                    make.make_health_fact(model, cast.pat, cast.nina, at=at, **values)
            nina.get(panel(cast))
            with CaptureQueriesContext(connection) as queries:
                page = nina.get(panel(cast))
            assert page.status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_htmx_gets_the_panel_alone(self, cast: Cast, signed_in: SignedIn) -> None:
        page = signed_in(cast.nina).get(panel(cast), headers={"HX-Request": "true"})
        assert page.content.decode().strip().startswith('<div id="health"')


@pytest.mark.usefixtures("now")
class TestFact:
    @pytest.fixture
    def weight(self, cast: Cast) -> Measurement:
        row: Measurement = make.make_health_fact(
            Measurement, cast.pat, cast.nina, kind="weight", first=Decimal("70.50")
        )
        return row

    def test_a_correction_shows_the_old_value_and_fills_in_nothing(
        self, cast: Cast, signed_in: SignedIn, weight: Measurement
    ) -> None:
        nina = signed_in(cast.nina)
        body = nina.get(of(weight, "correct_fact")).content.decode()
        assert "70.5 kg (155.4 lb)" in body
        assert 'value="70' not in body
        assert " checked" not in body
        typed = {**SAID, "weight": "60.5", "weight_unit": "kg", "correction_reason": "typed wrongly"}
        assert nina.post(of(weight, "correct_fact"), typed).status_code == 302
        new = Measurement.objects.get(corrects=weight)
        assert (new.first, new.at, new.correction_reason) == (Decimal("60.50"), weight.at, "typed wrongly")
        body = nina.get(of(weight, "health_fact")).content.decode()
        assert "<del>70.5 kg (155.4 lb)</del>" in body
        assert "Why: typed wrongly" in body
        answer = nina.post(of(weight, "correct_fact"), typed)
        assert answer.status_code == 422
        assert "correct the newest one" in answer.content.decode()

    def test_it_is_taken_back_with_a_reason(self, cast: Cast, signed_in: SignedIn, weight: Measurement) -> None:
        nina = signed_in(cast.nina)
        assert nina.post(of(weight, "take_back_fact"), {"reason": " "}).status_code == 422
        body = nina.post(of(weight, "take_back_fact"), {"reason": "another patient’s"}, follow=True).content.decode()
        assert "Taken back: Weight" in body
        assert body.count("Not measured") == len(Measurement.Kind)
        page = nina.get(of(weight, "health_fact"))
        assert "Why: another patient’s" in page.content.decode()
        assert "Take back</a>" not in page.content.decode()

    def test_only_a_prescriber_is_offered_to_confirm(
        self, cast: Cast, signed_in: SignedIn, weight: Measurement
    ) -> None:
        nina, dana = signed_in(cast.nina), signed_in(cast.dana)
        assert "Confirm as a prescriber" not in nina.get(of(weight, "health_fact")).content.decode()
        assert "Confirm as a prescriber" in dana.get(of(weight, "health_fact")).content.decode()
        body = nina.post(of(weight, "confirm_fact"), follow=True).content.decode()
        assert "Only a prescriber" in body
        assert not Measurement.objects.filter(by_prescriber=True).exists()
        dana.post(of(weight, "confirm_fact"))
        dana.post(of(weight, "confirm_fact"))
        assert Measurement.objects.filter(by_prescriber=True, corrects=weight).count() == 1

    def test_a_medicine_is_classed_by_a_prescriber(self, cast: Cast, signed_in: SignedIn) -> None:
        line = make.make_health_fact(Medication, cast.pat, cast.nina, text="blue ones", taking="current")
        dana = signed_in(cast.dana)
        assert "Not recognised: check" in dana.get(of(line, "confirm_medicine")).content.decode()
        for typed, sentence in (
            ({}, "or say that it is none of them"),
            ({"classes": ["opioids"], "none": "on"}, "or say that it is none of them"),
            ({"classes": ["opioids"], "lorazepam_mg_a_day": "2"}, "belongs to a benzodiazepine"),
            ({"classes": ["benzodiazepines"], "lorazepam_mg_a_day": "0"}, "more than 0"),
            ({"classes": ["sweets"]}, "Choose"),
        ):
            answer = dana.post(of(line, "confirm_medicine"), typed)
            assert answer.status_code == 422
            assert sentence in answer.content.decode()
        assert signed_in(cast.nina).post(of(line, "confirm_medicine"), {"none": "on"}).status_code == 422
        assert (
            dana.post(
                of(line, "confirm_medicine"), {"classes": ["benzodiazepines"], "lorazepam_mg_a_day": "2.5"}
            ).status_code
            == 302
        )
        known = Medication.objects.get(corrects=line)
        assert (known.confirmed_as, known.lorazepam_mg_a_day) == (["benzodiazepines"], Decimal("2.50"))
        assert "A prescriber says: benzodiazepine" in dana.get(panel(cast)).content.decode()


@pytest.mark.usefixtures("now")
class TestWho:
    def test_strangers_find_nothing_and_nobody_reads_by_writing(self, cast: Cast, signed_in: SignedIn) -> None:
        """Desk, manager, monitor and privacy officer 403; another place, another team and a patient nothing."""
        fact = make.make_health_fact(Medication, cast.pat, cast.nina, text="blue ones", taking="current")
        before = Medication.objects.count()
        reads = [panel(cast), of(fact, "health_fact")]
        writes = [
            path(cast, "medication"),
            *(of(fact, name) for name in ("correct_fact", "take_back_fact", "confirm_fact", "confirm_medicine")),
        ]
        expected = {
            "frida": 403,
            "ada": 403,
            "milo": 403,
            "petra": 403,
            "pat_user": 403,
            "omar": 404,
            "iris": 404,
            "tess": 404,
        }
        typed = {**SAID, "text": "x", "taking": "current", "reason": "x", "none": "on", "correction_reason": "x"}
        for who, status in expected.items():
            client = signed_in(getattr(cast, who))
            for page in reads:
                assert client.get(page).status_code == status, (who, page)
            for page in writes:
                assert client.post(page, typed).status_code == status, (who, page)
        assert Medication.objects.count() == before

    def test_a_fact_is_found_in_its_own_table_only(self, cast: Cast, signed_in: SignedIn) -> None:
        fact = make.make_health_fact(Medication, cast.pat, cast.nina, text="x", taking="current")
        nina = signed_in(cast.nina)
        for table in ("condition", "patient", "nonsense"):
            url = reverse("assessments:health_fact", kwargs={"table": table, "fact_id": fact.pk})
            assert nina.get(url).status_code == 404
        statement = make.make_health_fact(HealthStatement, cast.pat, cast.nina, kind="intoxicated", value=True)
        assert nina.get(of(statement, "correct_fact")).status_code == 404
        assert nina.get(of(statement, "health_fact")).status_code == 200

    def test_reading_writes_nothing_but_that_it_was_read(self, cast: Cast, signed_in: SignedIn) -> None:
        fact = make.make_health_fact(Medication, cast.pat, cast.nina, text="x", taking="current")
        nina = signed_in(cast.nina)
        for page in (panel(cast), of(fact, "health_fact"), of(fact, "correct_fact"), path(cast, "condition")):
            nina.get(page)
        assert set(AuditEvent.objects.filter(patient_id=cast.pat.pk).values_list("verb", flat=True)) == {"record.read"}
        assert nina.get(of(fact, "confirm_fact")).status_code == 405
