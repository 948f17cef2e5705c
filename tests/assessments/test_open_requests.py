"""What is asked and not answered: the list, the chart's panel, asking by hand and taking back."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from assessments.actions import reminding
from assessments.models import AssessmentRequest
from clinic.models import AuditEvent, Category, Channel, Suppression
from patients.models import CareTeamMember, Patient
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

NOON = make.NOON
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIST = "/questionnaires/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(now: datetime) -> None:
    """Freeze the clock for every test here."""


@pytest.fixture
def theo(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.theo)


def panel(cast: Cast) -> str:
    return reverse("assessments:chart_questionnaires", args=[cast.pat.pk])


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def many(cast: Cast, number: int) -> None:
    """Ask ``number`` patients of Theo's something each, due one minute after the other."""
    people = Patient.objects.bulk_create(
        Patient(
            mrn=f"Q{number}-{n}", given_name=f"Asked{n}", family_name="Row", birth_date=date(1980, 1, 1), life_state="active",
            home_location=cast.denver, life_state_since=NOON, registered_at=NOON,
        )
        for n in range(number)
    )  # fmt: skip
    CareTeamMember.objects.bulk_create(
        CareTeamMember(patient=patient, user=cast.theo, added_by=cast.theo, since=NOON) for patient in people
    )
    AssessmentRequest.objects.bulk_create(
        AssessmentRequest(
            patient=patient, code="gad-7", asked_at=NOON - HOUR, opens_at=NOON - HOUR, expires_at=NOON + 30 * DAY,
            due_at=NOON + timedelta(minutes=n - 50),
        )
        for n, patient in enumerate(people)
    )  # fmt: skip


# The list.


def test_late_first_with_words(cast: Cast, theo: Client) -> None:
    make.make_request(cast.pat, "phq-9", due_at=NOON + HOUR)
    make.make_request(cast.pat, "gad-7", due_at=NOON - 5 * HOUR, opens_at=NOON - 9 * HOUR)
    make.make_request(cast.pat, "pcl-5", due_at=NOON + DAY, status="in_progress", begun_at=NOON)
    make.make_request(cast.pat, "audit-c", opens_at=NOON + HOUR)
    page = text_of(theo, LIST)
    assert page.index("GAD-7") < page.index("PHQ-9") < page.index("PCL-5")
    assert "AUDIT-C" not in page, "it opens later"
    for look, word in (("late", "Late"), ("due", "Due"), ("arriving", "Begun")):
        assert f'<span class="status status-{look}">{word}</span>' in page
    assert "5 h" in page


def test_the_desk_reads_names_and_states_and_no_questionnaire(cast: Cast, signed_in: SignedIn) -> None:
    """Hazard: the name of a questionnaire tells the front desk what a patient is treated for."""
    make.make_request(cast.pat, "pcl-5")
    for hours, code in ((-1, "gad-7"), (-5, "audit-c"), (-5, "daily-life")):
        make.make_request(cast.pat, code, due_at=NOON + hours * HOUR, opens_at=NOON - 9 * HOUR)
    make.make_request(cast.quinn, "phq-9")
    make.make_request(cast.sol, "phq-9")
    for who in (cast.frida, cast.milo):
        page = text_of(signed_in(who), LIST)
        assert "Pat Moreau" in page
        assert "Quinn Abbott" in page
        assert "Sol Serrano" not in page, "Phoenix"
        for word in ("PCL-5", "PHQ-9", "PTSD"):
            assert word not in page
        assert reverse("patients:patient", args=[cast.pat.pk]) in page
        # Whom to speak to, and not how much of what they are asked: one row, of what is due first.
        assert page.count("Pat Moreau") == 1
        assert "5 h" in page
    assert AuditEvent.objects.filter(verb="list.read", actor_id=cast.frida.pk).count() == 1


def test_clinicians_see_those_they_treat(cast: Cast, theo: Client, signed_in: SignedIn) -> None:
    make.make_request(cast.pat)
    make.make_request(cast.quinn)
    assert "Quinn Abbott" not in text_of(theo, LIST)
    assert "Everything is answered" in text_of(signed_in(cast.tess), LIST)
    assert "Everything is answered" in text_of(signed_in(cast.omar), LIST)
    for who in (cast.ada, cast.petra):
        # Ada is at the desk in Phoenix.
        assert signed_in(who).get(LIST).status_code == (200 if who == cast.ada else 403)
    assert "Pat Moreau" not in text_of(signed_in(cast.ada), LIST)


def test_five_hundred_rows_in_pages_and_fixed_questions(cast: Cast, theo: Client, signed_in: SignedIn) -> None:
    many(cast, 1)
    desk = signed_in(cast.frida)
    few, desks = len(queries(theo, LIST)), len(queries(desk, LIST))
    many(cast, 499)
    assert (len(queries(theo, LIST)), len(queries(desk, LIST))) == (few, desks)
    assert '<th scope="row">' in text_of(desk, _older(text_of(desk, LIST)).replace("&amp;", "&"))
    seen, address = list[str](), LIST
    while address and len(seen) < 20:
        page = text_of(theo, address)
        seen.append(page)
        address = _older(page).replace("&amp;", "&")
    assert sum(page.count('<th scope="row">') for page in seen) == 500


def _older(page: str) -> str:
    return next((part.partition('"')[0] for part in page.split('href="')[1:] if part.startswith(f"{LIST}?after=")), "")


def test_the_list_is_read_by_its_index(cast: Cast) -> None:
    asked = AssessmentRequest.objects.open()
    for rows in (asked, asked.first_of_each_patient()):
        page = rows.filter(patient__home_location_id=cast.denver.pk).order_by("due_at", "id")[:31]
        with connection.cursor() as cursor, transaction.atomic():
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            plan = page.explain()
        assert "request_open_by_due" in plan


def test_reminders_are_found_by_their_index(cast: Cast) -> None:
    rows = AssessmentRequest.objects.open().filter(remind_at__lte=NOON).order_by("remind_at", "pk")[:100]
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        plan = rows.explain()
    assert "request_open_by_reminder" in plan


# The chart's panel.


def test_the_panel_teaches_when_it_is_empty(cast: Cast, theo: Client) -> None:
    page = text_of(theo, panel(cast))
    assert "Nothing is open." in page
    assert "Nothing answered yet" in page


def test_the_panel_says_what_each_came_to(cast: Cast, theo: Client) -> None:
    """Hazard: a score that is no score, or a filled-in one, is read as a whole one."""
    items = [f"q{n}" for n in range(1, 10)]

    def answered(blank: set[str], value: int = 2, **fields: Any) -> None:
        answers = {item: value for item in items if item not in blank}
        make.make_response(
            cast.pat, cast.pat_user, answers={**answers, **({"q9": 0} if "q9" not in blank else {})}, **fields
        )

    answered(set(), at=NOON - 4 * DAY)
    answered({"q1"}, at=NOON - 3 * DAY)
    answered({"q1", "q2", "q3"}, at=NOON - 2 * DAY)
    answered({"q9"}, at=NOON - DAY)
    page = text_of(theo, panel(cast))
    assert '<strong>16</strong><span class="quiet">/27</span> moderately severe' in page
    assert "1 blank filled in" in page
    assert "No score: 3 unanswered." in page
    assert "No score: question 9 was left out and is never filled in." in page
    assert page.count("Question 9 left out") == 1


def test_htmx_gets_the_panel_alone(cast: Cast, theo: Client) -> None:
    part = theo.get(panel(cast), headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="questionnaires"')
    assert "<html" not in part


def test_pages_of_answers_by_keyset_and_fixed_questions(cast: Cast, theo: Client) -> None:
    def answer(number: int) -> None:
        row = make.make_response(cast.pat, cast.pat_user, at=NOON - number * HOUR)
        if number % 10 == 1:
            make.make_response(cast.pat, cast.theo, at=NOON - number * HOUR, corrects=row, correction_reason="x")

    answer(1)
    few = len(queries(theo, panel(cast)))
    for number in range(2, 61):
        answer(number)
    assert len(queries(theo, panel(cast))) == few
    page = text_of(theo, panel(cast))
    assert page.count("/27</span>") == 30
    assert "?after=" in page


def test_both_statements_of_the_pcl(cast: Cast, theo: Client) -> None:
    answers = {f"q{n}": (2 if n <= 15 else 0) for n in range(1, 21)}
    row = make.make_response(cast.pat, cast.pat_user, "pcl-5", answers=answers)
    page = text_of(theo, reverse("assessments:response", args=[row.pk]))
    assert "DSM-5 symptom clusters" in page
    assert "Not met" in page
    assert "the sources differ" in page or "Below 31" in page
    assert "Repeated, disturbing, and unwanted memories" in page


def test_an_answer_shows_blanks_as_blanks(cast: Cast, theo: Client) -> None:
    row = make.make_response(
        cast.pat, cast.theo, "c-ssrs", answers={"q1": 0, "q2": 0}, mode="clinician", rater=cast.nina
    )
    page = text_of(theo, reverse("assessments:response", args=[row.pk]))
    assert page.count("— not asked") == 4
    assert page.count("— not answered") == 1
    assert "Nina Novak" in page
    assert "The wording is kept by its licence" in page


# Asking by hand, and taking back.


def test_ask(cast: Cast, theo: Client) -> None:
    address = reverse("assessments:ask_questionnaires", args=[cast.pat.pk])
    page = text_of(theo, address)
    assert " checked" not in page
    assert "C-SSRS" not in page
    assert "PTQ" not in page
    answer = theo.post(address, {"codes": ["phq-9", "gad-7"], "due_on": "2027-01-20"}, follow=True)
    # Nobody asked Pat about letters of this sort: none goes.
    assert "due Wed 20 Jan 2027. No letter goes to Pat" in answer.content.decode()
    assert "in the next minutes" not in answer.content.decode()
    assert AssessmentRequest.objects.filter(patient=cast.pat, asked_by=cast.theo, remind_at=NOON).count() == 2
    again = theo.post(address, {"codes": ["phq-9"], "due_on": "2027-01-20"})
    assert again.status_code == 422
    assert "Open already: GAD-7, PHQ-9." in again.content.decode()
    assert AssessmentRequest.objects.count() == 2


def test_who_asks_is_told_truly_whether_a_letter_goes(cast: Cast) -> None:
    """What is said when asking is what ``remind_due`` then does."""
    make.make_preference(cast.pat, cast.frida, Category.QUESTIONNAIRE, Channel.EMAIL)
    assert reminding.told_at(cast.pat, NOON) == NOON
    night = NOON.replace(hour=5)
    assert reminding.told_at(cast.pat, night) == NOON.replace(hour=15, minute=30), "08:30 in Denver"
    # Without the portal a link goes, by e-mail alone.
    cast.pat.portal_user = None
    assert reminding.told_at(cast.pat, NOON) == NOON
    Suppression.objects.create(channel=Channel.EMAIL, address=cast.pat.email.lower(), category="", since=NOON)
    assert reminding.told_at(cast.pat, NOON) is None
    make.make_preference(cast.quinn, cast.frida, Category.QUESTIONNAIRE, Channel.SMS)
    cast.quinn.portal_user = None
    assert reminding.told_at(cast.quinn, NOON) is None


def test_asking_is_refused(cast: Cast, theo: Client) -> None:
    for codes, due_on, sentence in [
        ([], "2027-01-20", "Choose at least one."),
        (["c-ssrs"], "2027-01-20", "Choose from those offered."),
        (["ptq"], "2027-01-20", "Choose from those offered."),
        (["phq-9"], "", "Enter the day."),
        (["phq-9"], "2027-01-12", "This day is over."),
        (["phq-9"], "2027-06-12", "within the next 90 days"),
    ]:
        address = reverse("assessments:ask_questionnaires", args=[cast.pat.pk])
        answer = theo.post(address, {"codes": codes, "due_on": due_on})
        assert answer.status_code == 422
        said = answer.content.decode()
        assert sentence in said or "Choose one of those offered." in said
        assert not AssessmentRequest.objects.exists()


def test_taken_back_with_a_reason_and_once(cast: Cast, theo: Client) -> None:
    request = make.make_request(cast.pat)
    address = reverse("assessments:cancel_questionnaire", args=[request.pk])
    assert "The patient reads this" in theo.get(address).content.decode(), "nothing is written that they may not read"
    assert theo.post(address, {"reason": ""}).status_code == 422
    assert theo.post(address, {"reason": "Asked by mistake."}).status_code == 302
    request.refresh_from_db()
    assert (request.status, request.settled_reason) == ("cancelled", "Asked by mistake.")
    assert theo.post(address, {"reason": "Asked by mistake."}).status_code == 422
    assert "PHQ-9" not in text_of(theo, panel(cast))


def test_strangers_ask_and_take_back_nothing(cast: Cast, signed_in: SignedIn) -> None:
    request = make.make_request(cast.pat)
    ask = reverse("assessments:ask_questionnaires", args=[cast.pat.pk])
    cancel = reverse("assessments:cancel_questionnaire", args=[request.pk])
    for who, status in (("frida", 403), ("milo", 403), ("ada", 403), ("tess", 404), ("omar", 404), ("olga", 403)):
        client = signed_in(getattr(cast, who))
        assert client.post(ask, {"codes": ["gad-7"], "due_on": "2027-01-20"}).status_code == status
        assert client.post(cancel, {"reason": "Not mine to."}).status_code == status
        assert client.get(panel(cast)).status_code == status
    assert list(AssessmentRequest.objects.values_list("status", flat=True)) == ["open"]
