"""The audit page: what a privacy officer may read, and what she may not be told by it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from clinic import audit
from clinic.audit_words import WORDS
from clinic.models import AuditEvent, Outcome, Role
from clinic.views.audit import ROWS_A_PAGE
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

pytestmark = pytest.mark.django_db

Verb = audit.Verb


@pytest.fixture
def happened(cast: Cast) -> None:
    audit.record(cast.frida, Verb.RECORD_READ, cast.pat, now=make.NOON)
    audit.record(cast.dana, Verb.PATIENT_CHANGED, cast.quinn, now=make.NOON, details={"fields": ["phone"]})
    audit.record(cast.olga, Verb.RECORD_READ, cast.sol, now=make.NOON)
    audit.record(cast.pat_user, Verb.SIGNED_IN, cast.pat_user, now=make.NOON - timedelta(days=1))
    audit.record(None, Verb.SIGN_IN_FAILED, None, now=make.NOON, outcome=Outcome.REFUSED)
    audit.record(
        cast.frida, Verb.LIST_READ, None, now=make.NOON, location_id=cast.denver.pk,
        details={"list": "patients", "patients": [str(cast.pat.pk), str(cast.quinn.pk)]},
    )  # fmt: skip


def rows(cast: Cast, signed_in: SignedIn, **query: Any) -> list[tuple[str, str]]:
    answer = signed_in(cast.petra).get(reverse("clinic:audit_log"), query)
    assert answer.status_code == 200
    # Her own look is a row too, and the newest.
    return [(row["who"], row["what"]) for row in answer.context["rows"] if row["what"] != "read the audit"]


def test_every_verb_has_plain_words() -> None:
    assert set(WORDS) == set(Verb)


def test_everything_of_her_locations_newest_first(
    cast: Cast, happened: None, signed_in: SignedIn, now: datetime
) -> None:
    """Phoenix is not hers; what belongs to no location is."""
    assert rows(cast, signed_in) == [
        ("Frida Flores", "was shown a list"),
        ("somebody not signed in", "failed to sign in"),
        ("a patient", "signed in"),
        ("Dana Deng", "changed a patient's details"),
        ("Frida Flores", "read a record"),
    ]


def test_no_patient_is_named(cast: Cast, happened: None, signed_in: SignedIn, now: datetime) -> None:
    page = signed_in(cast.petra).get(reverse("clinic:audit_log")).content.decode()
    for name in ("Moreau", "Abbott", "Serrano", "Pat ", "Quinn", "post.example"):
        assert name not in page


class TestFilters:
    def test_who(self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime) -> None:
        assert rows(cast, signed_in, who=str(cast.dana.pk)) == [("Dana Deng", "changed a patient's details")]
        assert rows(cast, signed_in, who="strangers") == [("somebody not signed in", "failed to sign in")]

    def test_what_and_when(self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime) -> None:
        assert rows(cast, signed_in, verb="record.read") == [("Frida Flores", "read a record")]
        assert rows(cast, signed_in, day="2027-01-12") == [("a patient", "signed in")]

    def test_a_patient_with_the_lists_they_were_on(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime
    ) -> None:
        assert rows(cast, signed_in, patient=cast.pat.mrn) == [
            ("Frida Flores", "was shown a list"),
            ("Frida Flores", "read a record"),
        ]
        assert rows(cast, signed_in, patient=f" {cast.pat.mrn.lower()} ") == rows(cast, signed_in, patient=cast.pat.mrn)

    @pytest.mark.parametrize("whose", ["sol", "nobody", "id"])
    def test_a_number_that_is_nobodys_here_gets_one_sentence(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime, whose: str
    ) -> None:
        """Sol is Phoenix's: Petra is not told that there is such a number, nor an id taken for one."""
        typed = {"sol": cast.sol.mrn, "nobody": "SW-99999", "id": str(cast.pat.pk)}[whose]
        answer = signed_in(cast.petra).get(reverse("clinic:audit_log"), {"patient": typed})
        assert answer.status_code == 422
        page = answer.content.decode()
        assert "Nobody at your locations has this record number. Copy it from the patient" in page
        assert typed in page
        assert "rows" not in answer.context
        assert not AuditEvent.objects.filter(verb=Verb.AUDIT_SEARCHED).exists()

    def test_a_row_leads_to_its_patients_rows_by_number(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime
    ) -> None:
        audit.record(cast.petra, Verb.PASSWORD_CHANGED, None, now=make.NOON, patient_id=cast.sol.pk)
        answer = signed_in(cast.petra).get(reverse("clinic:audit_log"))
        urls = {row["patient"]: (row["number"], row["patient_url"]) for row in answer.context["rows"]}
        path = reverse("clinic:audit_log")
        assert urls[str(cast.pat.pk)] == (cast.pat.mrn, f"{path}?patient={cast.pat.mrn}")
        # A row of no location about somebody else's patient: the id, and no way on.
        assert urls[str(cast.sol.pk)] == ("", "")
        assert cast.sol.mrn not in answer.content.decode()

    def test_the_patients_page_leads_here(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        page, to = reverse("patients:patient", args=[cast.pat.pk]), f"/office/audit/?patient={cast.pat.mrn}"
        petra = signed_in(cast.petra)
        assert to in petra.get(page).content.decode()
        assert petra.get(to).context["patient_url"] == page
        for who in (cast.frida, cast.theo, cast.ada):
            assert to not in signed_in(who).get(page).content.decode()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("patient", "Moreau"), ("patient", "' OR 1=1 --"), ("day", "yesterday"), ("verb", "made.up"),
            ("who", "01a20780-87c7-738d-9bd0-91d8f9d9cca4"), ("before", "x"), ("before", "99999999999999999999"), ("before", "-1"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_asked_is_a_sentence(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime, field: str, value: str
    ) -> None:
        answer = signed_in(cast.petra).get(reverse("clinic:audit_log"), {field: value})
        assert answer.status_code == 422
        assert list(answer.context["form"].errors) == [field]
        assert "rows" not in answer.context

    @pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
    def test_the_ends_of_time(self, cast: Cast, signed_in: SignedIn, now: datetime, day: str) -> None:
        answer = signed_in(cast.petra).get(reverse("clinic:audit_log"), {"day": day})
        assert answer.status_code in {200, 422}

    def test_htmx_gets_the_rows_alone(self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime) -> None:
        answer = signed_in(cast.petra).get(reverse("clinic:audit_log"), headers={"HX-Request": "true"})
        assert answer.content.decode().strip().startswith('<section class="stack" id="rows"')


class TestReadingIsAudited:
    def test_by_the_names_of_the_fields_and_not_what_was_typed(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime
    ) -> None:
        rows(cast, signed_in, who=str(cast.dana.pk), day="2027-01-12")
        event = AuditEvent.objects.get(verb=Verb.AUDIT_SEARCHED)
        assert (event.actor_id, event.details, event.patient_id) == (cast.petra.pk, {"fields": ["who", "day"]}, None)

    def test_a_search_for_a_patient_is_in_that_patients_rows(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime
    ) -> None:
        rows(cast, signed_in, patient=cast.pat.mrn)
        assert AuditEvent.objects.get(verb=Verb.AUDIT_SEARCHED).patient_id == cast.pat.pk

    def test_once_a_quarter_of_an_hour_for_the_same_question(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime
    ) -> None:
        for _ in range(3):
            rows(cast, signed_in)
            rows(cast, signed_in, verb="record.read")
        assert AuditEvent.objects.filter(verb=Verb.AUDIT_SEARCHED).count() == 2


class TestPaging:
    def test_every_row_once_by_keyset(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        for _ in range(2 * ROWS_A_PAGE + 20):
            audit.record(cast.frida, Verb.RECORD_READ, cast.pat, now=make.NOON)
        client = signed_in(cast.petra)
        path = reverse("clinic:audit_log") + "?verb=record.read"
        seen = 0
        pages = 0
        while path:
            answer = client.get(path)
            seen += len(answer.context["rows"])
            pages += 1
            path = answer.context["older_url"]
            assert "verb=record.read" in path or not path
        assert (seen, pages) == (2 * ROWS_A_PAGE + 20, 3)

    def test_it_asks_as_much_for_a_full_page_as_for_one_row(
        self, cast: Cast, happened: None, signed_in: SignedIn, now: datetime
    ) -> None:
        client, path = signed_in(cast.petra), reverse("clinic:audit_log")
        few = len(queries(client, path))
        for number in range(60):
            who = make.make_user(f"Person {number}")
            make.make_member(who, cast.denver, Role.THERAPIST)
            audit.record(who, Verb.RECORD_READ, make.make_patient(cast.denver), now=make.NOON)
        assert len(queries(client, path)) == few


def test_who_may_not(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    for who in (cast.ada, cast.frida, cast.dana, cast.omar, cast.pat_user):
        assert signed_in(who).get(reverse("clinic:audit_log")).status_code == 403
