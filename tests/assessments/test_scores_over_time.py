"""Scores over time: the panel for clinicians, the picture for the patient, and who sees neither."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from assessments import courses, definitions, scorecharts
from assessments.models import AssessmentRequest, CareEvent
from assessments.outcomes import Reading, series
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

PHQ = definitions.current("phq-9")
MONDAY = datetime(2026, 11, 2, 17, tzinfo=UTC)


def phq(total: int, item_9: int = 0) -> dict[str, int]:
    """Return nine answers that sum to ``total``, the ninth as told."""
    left, answers = total - item_9, {}
    for item in PHQ.scored_items[:-1]:
        answers[item.id] = min(3, left)
        left -= answers[item.id]
    return {**answers, PHQ.scored_items[-1].id: item_9}


def drawn(page: str) -> list[dict[str, Any]]:
    """Return what the charts of a page draw."""
    return [json.loads(unescape(found)) for found in re.findall(r'data-score-chart="([^"]*)"', page)]


def panel(client: Client, cast: Cast, query: str = "") -> str:
    response = client.get(reverse("assessments:chart_scores", args=[cast.pat.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def dana(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.dana)


class TestPicture:
    def of(self, *readings: Reading, first_dose_at: datetime | None = None) -> scorecharts.Picture:
        found = series(PHQ, readings, first_dose_at)
        assert found is not None
        return scorecharts.picture(PHQ, found, ZoneInfo("America/Denver"))

    def test_a_gap_is_a_gap(self) -> None:
        days = [MONDAY + timedelta(weeks=n) for n in range(3)]
        picture = self.of(Reading(days[0], 18), Reading(days[1], None, gap="too_many_missing"), Reading(days[2], 12))
        assert [[dot["y"] for dot in stretch] for stretch in picture.data["stretches"]] == [[18], [12]]
        assert [gap["x"] for gap in picture.data["gaps"]] == [round(days[1].timestamp() * 1000)]
        assert [(row.score, row.is_gap) for row in picture.rows] == [("12", False), ("", True), ("18", False)]
        assert picture.rows[1].notes == ("no score: too much was left blank",)

    def test_days_are_the_clinics(self) -> None:
        late = datetime(2026, 11, 3, 4, 30, tzinfo=UTC)  # 21:30 of the day before in Denver
        picture = self.of(Reading(late, 18))
        assert picture.sentence == "18 (moderately severe) on Mon 2 Nov 2026."
        assert (picture.rows[0].day, picture.rows[0].clock) == ("Mon 2 Nov 2026", "21:30 MST")

    def test_lines_need_a_dose_and_a_baseline(self) -> None:
        readings = (Reading(MONDAY, 20), Reading(MONDAY + timedelta(weeks=2), 9))
        assert [line["kind"] for line in self.of(*readings).data["lines"]] == ["remission"]
        after = self.of(*readings, first_dose_at=MONDAY + timedelta(days=3))
        assert {line["kind"]: line["at"] for line in after.data["lines"]} == {
            "remission": 5, "baseline": 20, "response": 10, "reliable_improvement": 14, "deterioration": 26,
        }  # fmt: skip
        assert after.sentence == (
            "9 (mild) on Mon 16 Nov 2026. 11 points below the baseline of 20: response (half or less), more than chance."
        )

    @pytest.mark.parametrize(
        ("weeks", "ticks"),
        [(0, 7), (1, 7), (4, 7), (30, 7), (120, 7)],
        ids=["a day", "a week", "a month", "half a year", "years"],
    )
    def test_a_few_days_are_named_however_long_it_is(self, weeks: int, ticks: int) -> None:
        picture = self.of(Reading(MONDAY, 20), Reading(MONDAY + timedelta(weeks=weeks, hours=1), 9))
        assert 2 <= len(picture.data["ticks"]) <= ticks
        assert all(picture.data["from"] <= tick["at"] <= picture.data["to"] for tick in picture.data["ticks"])


class TestPanel:
    def test_bands_lines_and_table(self, cast: Cast, dana: Client, now: datetime) -> None:
        make.make_response(cast.pat, cast.pat_user, answers=phq(20), at=now - timedelta(weeks=4))
        CareEvent.objects.create(
            patient=cast.pat, kind="dose_given", at=now - timedelta(weeks=3), subject_type="dose", subject_id=uuid4(), recorded_at=now
        )  # fmt: skip
        make.make_response(cast.pat, cast.pat_user, answers=phq(9), at=now - timedelta(weeks=1))
        page = panel(dana, cast)
        (data,) = drawn(page)
        assert [[dot["y"] for dot in stretch] for stretch in data["stretches"]] == [[20, 9]]
        assert [band["label"] for band in data["bands"]] == [
            "minimal",
            "mild",
            "moderate",
            "moderately severe",
            "severe",
        ]
        assert "11 points below the baseline of 20" in page
        # A score of 5 is no remission.
        assert [line["label"] for line in data["lines"] if line["kind"] == "remission"] == ["Remission: below 5"]
        assert page.count("<tr>") == 3

    def test_the_longest_course_first_and_any_other_by_its_name(self, cast: Cast, dana: Client, now: datetime) -> None:
        make.make_response(cast.pat, cast.pat_user, "gad-7", at=now - timedelta(weeks=2))
        for week in (1, 2):
            make.make_response(cast.pat, cast.pat_user, answers=phq(10 + week), at=now - timedelta(weeks=week))
        assert "Patient Health Questionnaire" in panel(dana, cast)
        assert "Generalized Anxiety Disorder" in panel(dana, cast, "?instrument=gad-7")
        assert "Patient Health Questionnaire" in panel(dana, cast, "?instrument=%00nonsense")

    def test_what_was_corrected_or_taken_back_is_not_drawn(self, cast: Cast, dana: Client, now: datetime) -> None:
        wrong = make.make_response(cast.pat, cast.pat_user, answers=phq(27), at=now - timedelta(days=3))
        make.make_response(
            cast.pat, cast.nina, answers=phq(7), at=now - timedelta(days=3), corrects=wrong, correction_reason="misread"
        )
        gone = make.make_response(cast.pat, cast.pat_user, answers=phq(24), at=now - timedelta(days=2))
        make.make_response(
            cast.pat, cast.nina, at=now - timedelta(days=2), corrects=gone, correction_reason="another patient's", is_retraction=True
        )  # fmt: skip
        (data,) = drawn(panel(dana, cast))
        assert [[dot["y"] for dot in stretch] for stretch in data["stretches"]] == [[7]]

    def test_a_request_nobody_answered_is_a_gap(self, cast: Cast, dana: Client, now: datetime) -> None:
        for week in (5, 1):
            make.make_response(cast.pat, cast.pat_user, answers=phq(12), at=now - timedelta(weeks=week))
        asked = now - timedelta(weeks=4)
        AssessmentRequest.objects.create(
            patient=cast.pat, code="phq-9", asked_at=asked, opens_at=asked, due_at=asked + timedelta(days=2),
            expires_at=asked + timedelta(days=7), status="expired", settled_at=asked + timedelta(days=7),
        )  # fmt: skip
        page = panel(dana, cast)
        assert [len(stretch) for stretch in drawn(page)[0]["stretches"]] == [1, 1]
        assert "not answered" in page

    def test_nothing_yet_says_what_will_be_here(self, cast: Cast, dana: Client, now: datetime) -> None:
        page = panel(dana, cast)
        assert "No scores yet" in page
        assert not drawn(page)

    @pytest.mark.parametrize("who", ["frida", "milo", "ada", "petra", "omar", "tess"])
    def test_not_for_others(self, cast: Cast, signed_in: SignedIn, now: datetime, who: str) -> None:
        make.make_response(cast.pat, cast.pat_user, answers=phq(20), at=now)
        response = signed_in(getattr(cast, who)).get(reverse("assessments:chart_scores", args=[cast.pat.pk]))
        assert response.status_code in {403, 404}
        assert b"data-score-chart" not in response.content

    def test_four_hundred_answers_ask_three_questions(
        self, cast: Cast, now: datetime, django_assert_num_queries: Any
    ) -> None:
        for n in range(3):
            make.make_response(cast.pat, cast.pat_user, answers=phq(9), at=now - timedelta(days=n))
        with django_assert_num_queries(3):
            (course,) = courses.of(cast.pat)
        assert len(course.readings) == 3

    def test_a_sheet_of_the_day_of_the_first_dose_is_the_baseline(
        self, cast: Cast, dana: Client, now: datetime
    ) -> None:
        """Hazard: filled in at nine, dose at ten, typed in at two, and shown as what came of the dose."""
        dose = now - timedelta(days=7)
        make.make_event(cast.pat, at=dose)
        make.make_response(cast.pat, cast.theo, answers=phq(12), at=dose - timedelta(days=20))
        make.make_response(cast.pat, cast.theo, answers=phq(20), at=dose + timedelta(hours=4), mode="paper")
        make.make_response(cast.pat, cast.pat_user, answers=phq(10), at=now)
        page = panel(dana, cast)
        assert "10 points below the baseline of 20" in page
        assert "13:00" not in page, "of a sheet only the day is known"


@pytest.mark.parametrize(
    "page",
    ["sessions:chart", "assessments:chart_scores", "assessments:chart_questionnaires", "assessments:review_clearance"],
)
def test_a_chart_of_sixty_answers_asks_no_more_than_one_of_one(
    cast: Cast, dana: Client, now: datetime, page: str
) -> None:
    address = reverse(page, args=[cast.pat.pk])
    make.make_response(cast.pat, cast.pat_user, answers=phq(9), at=now - timedelta(days=1))
    few = queries(dana, address)
    for n in range(59):
        code, answers = ("phq-9", phq(n % 27)) if n % 2 else ("gad-7", None)
        make.make_response(cast.pat, cast.pat_user, code, answers=answers, at=now - timedelta(days=2 + n))
    assert len(queries(dana, address)) == len(few)


class TestMyProgress:
    def test_in_plain_words_and_without_verdicts(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        make.make_response(cast.pat, cast.pat_user, answers=phq(20, item_9=2), at=now - timedelta(weeks=4))
        make.make_response(cast.pat, cast.pat_user, answers=phq(8), at=now - timedelta(days=1))
        make.make_response(cast.pat, cast.pat_user, "audit-c", at=now - timedelta(days=1))
        page = signed_in(cast.pat_user).get(reverse("assessments:my_progress")).content.decode()
        assert "clearly better" in page
        (data,) = drawn(page)
        assert data["bands"] == data["lines"] == []
        for verdict in ("moderate", "mild", "severe", "response", "AUDIT", "alarm"):
            assert verdict not in page.split("<main")[1], verdict

    @pytest.mark.parametrize(
        ("first", "last", "says"),
        [(10, 8, "not clearly different"), (8, 20, "harder than at the start"), (20, 8, "clearly better")],
    )
    def test_a_wobble_is_called_no_change(
        self, cast: Cast, signed_in: SignedIn, now: datetime, first: int, last: int, says: str
    ) -> None:
        make.make_response(cast.pat, cast.pat_user, answers=phq(first), at=now - timedelta(weeks=4))
        make.make_response(cast.pat, cast.pat_user, answers=phq(last), at=now - timedelta(days=1))
        assert says in signed_in(cast.pat_user).get(reverse("assessments:my_progress")).content.decode()

    def test_nobody_who_thinks_of_death_is_told_how_well_they_do(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        make.make_response(cast.pat, cast.pat_user, answers=phq(24), at=now - timedelta(weeks=4))
        make.make_response(cast.pat, cast.pat_user, answers=phq(8, item_9=2), at=now - timedelta(days=1))
        page = signed_in(cast.pat_user).get(reverse("assessments:my_progress")).content.decode()
        assert "clearly better" not in page
        assert "says whom to call" in page

    def test_only_ones_own(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        make.make_response(cast.pat, cast.pat_user, answers=phq(20), at=now)
        own = signed_in(cast.quinn_user).get(reverse("patients:portal_me")).content.decode()
        assert reverse("assessments:my_progress") in own, "a page that nothing leads to is none"
        page = signed_in(cast.quinn_user).get(reverse("assessments:my_progress")).content.decode()
        assert "Nothing to draw yet" in page
        assert not drawn(page)
