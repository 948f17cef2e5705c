"""Finding people: every way of asking, who may find whom, and the indexes that serve it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Func, TextField, Value
from django.db.models.functions import Cast as AsType
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from phonenumber_field.phonenumber import to_python

from clinic.access import Permission
from clinic.models import AuditEvent
from patients import search
from patients.forms.fields import BirthDateField
from patients.models import Patient
from patients.views.lines import phone_text
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn, owner_rights
from tests.patients.counting import queries

NOW = make.NOON


def found(cast: Cast, text: str) -> list[str]:
    mine = Patient.objects.visible_to(cast.frida, Permission.PATIENT_READ, NOW)
    return [patient.given_name for patient in search.find(mine, text).patients]


@pytest.fixture
def people(cast: Cast) -> Cast:
    make.make_patient(cast.denver, "Siobhán", "O'Brien", chosen_name="Shiv", phone="+17205550142", mrn="SW-10077")
    make.make_patient(cast.denver, "Ana-Maria", "García", middle_name="Luz", email="luz@post.example")
    make.make_patient(cast.denver, "Rosa", "Quintero")
    return cast


class TestFind:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("obrien", ["Siobhán"]),
            ("O’BRIEN", ["Siobhán"]),
            ("siobhan", ["Siobhán"]),
            ("shiv", ["Siobhán"]),
            ("brien sio", ["Siobhán"]),
            ("maria", ["Ana-Maria"]),
            ("garcia ana", ["Ana-Maria"]),
            ("luz", ["Ana-Maria"]),
            # The beginning of a last name before any other part of a name.
            ("quin", ["Rosa", "Quinn"]),
            ("ab", ["Quinn"]),
            ("1984-05-17", ["Pat"]),
            ("5/17/1984", ["Pat"]),
            ("17.5.1984", ["Pat"]),
            ("May 17 1984", ["Pat"]),
            ("720 555", ["Siobhán"]),
            ("(720) 555-0142", ["Siobhán"]),
            ("5550142", ["Siobhán"]),
            ("+1 720-555-0142", ["Siobhán"]),
            ("LUZ@post", ["Ana-Maria"]),
            ("sw-10077", ["Siobhán"]),
            ("sw10077", ["Siobhán"]),
            ("SW 10077", ["Siobhán"]),
            ("10077", ["Siobhán"]),
            ("100%", []),
            ("_", []),
            ("'; drop table patients_patient; --", []),
            ("a\x00b", ["Quinn"]),
            ("", []),
            ("   ", []),
            ("13/45/1984", []),
            ("x" * 5000, []),
        ],
    )
    def test_by_anything(self, people: Cast, text: str, names: list[str]) -> None:
        assert found(people, text) == names

    @pytest.mark.parametrize("text", ["garzia", "obryan", "quintera"])
    def test_the_nearest_spelling_when_nobody_is_called_that(self, people: Cast, text: str) -> None:
        mine = Patient.objects.visible_to(people.frida, Permission.PATIENT_READ, NOW)
        nearest = search.find(mine, text)
        assert nearest.is_nearest
        assert len(nearest.patients) >= 1

    def test_other_locations_are_not_found(self, cast: Cast) -> None:
        assert found(cast, "serrano") == []
        assert found(cast, cast.sol.birth_date.isoformat()) == []

    def test_more_than_fits(self, cast: Cast) -> None:
        for n in range(30):
            make.make_patient(cast.denver, f"Zed{n:02}", "Zimmer")
        mine = Patient.objects.visible_to(cast.frida, Permission.PATIENT_READ, NOW)
        result = search.find(mine, "zimmer")
        assert (len(result.patients), result.has_more) == (25, True)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1984-05-17", date(1984, 5, 17)),
        ("05/17/1984", date(1984, 5, 17)),
        ("17.05.1984", date(1984, 5, 17)),
        ("17 May 1984", date(1984, 5, 17)),
        ("May 17, 1984", date(1984, 5, 17)),
        ("19840517", date(1984, 5, 17)),
        ("5/17/84", None),
        ("17/5/1984", None),
        ("0001-01-01", None),
        ("soon", None),
    ],
)
def test_birth_date_in(text: str, day: date | None) -> None:
    assert search.birth_date_in(text) == day


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("5/17/84", "with the year in four digits"),
        ("soon", "with the year in four digits"),
        ("17/5/1984", "There is no such day. The month comes first"),
        ("2/29/1983", "There is no such day. The month comes first"),
        ("Feb 30 1983", "There is no such day. The month comes first"),
        ("1/1/1801", "There is no such day. The month comes first"),
        ("4 7 1990", "This way of writing a date is not understood. Write 5/17/1984"),
        ("17th of May 1984", "This way of writing a date is not understood. Write 5/17/1984"),
    ],
)
def test_what_is_no_birth_date_is_told_why(text: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        BirthDateField().clean(text)


@pytest.mark.parametrize(
    ("number", "shown"), [("+13035550188", "(303) 555-0188"), ("+442079460958", "+44 20 7946 0958"), ("", "")]
)
def test_a_phone_can_be_dialled_as_it_is_shown(number: str, shown: str) -> None:
    assert phone_text(to_python(number)) == shown


_TWELVE_THOUSAND = """
INSERT INTO patients_patient (
    id, mrn, given_name, middle_name, family_name, chosen_name, pronouns, birth_date, sex_at_birth, email, phone, street,
    city, state, postcode, time_zone, language, needs_interpreter, access_needs, home_location_id, life_state,
    life_state_since, registered_at, portal_suspension, version)
SELECT gen_random_uuid(), 'M' || lpad(n::text, 7, '0'), initcap(substr(translate(md5('g' || n %% 977), '0123456789', 'ghijklmnop'), 1, 6)), '',
    initcap(substr(translate(md5('f' || n %% 1999), '0123456789', 'ghijklmnop'), 1, 8)), '', '',
    date '1940-01-01' + n %% 22000, 'unknown', 'many' || n || '@post.example', '+1720' || lpad(n::text, 7, '0'), '',
    '', '', '', '', 'en', false, '', %s, 'active', %s, %s::timestamptz - n * interval '1 minute', '', 1
FROM generate_series(1, 12000) AS n
"""


class TestIndexes:
    """Among 12,000 people each way of asking enters an index and reads no table from end to end."""

    @pytest.fixture
    def many(self, cast: Cast) -> Cast:
        # Straight into the table: the history of twelve thousand people is not what is measured.
        with owner_rights(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE patients_patient DISABLE TRIGGER USER")
            cursor.execute(_TWELVE_THOUSAND, [cast.denver.pk, NOW, NOW])
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE patients_patient ENABLE TRIGGER USER")
            # As autovacuum does: what waits in the indexes' pending lists goes where searches look.
            cursor.execute(
                "SELECT gin_clean_pending_list('patient_name_part'), gin_clean_pending_list('patient_phone_part')"
            )
            cursor.execute("ANALYZE patients_patient")
        return cast

    def test_every_question_has_its_index(self, many: Cast) -> None:
        someone = Patient.objects.get(mrn="M0004321")
        given, family = someone.given_name.lower(), someone.family_name.lower()
        mistyped = family[:4] + "z" + family[5:]
        for text, index in (
            (family, "patient_name_prefix"),
            (f"{given} {family[:5]}", "patient_name_part"),
            (family[2:], "patient_name_part"),
            (someone.birth_date.isoformat(), "patient_birth_date"),
            ("720 000 4321", "patient_phone_part"),
            ("many777@", "patient_email"),
            ("M-0004321", "mrn"),
            (mistyped, "patient_name_part"),
        ):
            assert any(index in plan for plan in self._plans_without_a_scan(many, text)), text
        self._finds_likely_duplicates(many, someone)
        self._walks_the_list(many)

    def test_a_slow_comparison_is_given_up(self, many: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search, "NEAREST_TIMEOUT", "20ms")
        someone = Patient.objects.get(mrn="M0004321")
        mistyped = someone.family_name[:4] + "z" + someone.family_name[5:]
        mine = Patient.objects.visible_to(many.frida, Permission.PATIENT_READ, NOW)
        # Each name that is compared takes longer than the limit, however fast the machine is.
        slow = mine.annotate(slept=AsType(Func(Value(0.1), function="pg_sleep"), TextField())).filter(slept="")
        result = search.find(slow, mistyped)
        assert result.was_cut_short
        # The limit was this search's alone.
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)

    def _plans_without_a_scan(self, many: Cast, text: str) -> list[str]:
        mine = Patient.objects.visible_to(many.frida, Permission.PATIENT_READ, NOW)
        with CaptureQueriesContext(connection) as asked:
            search.find(mine, text)
        plans = []
        for query in asked.captured_queries:
            if 'FROM "patients_patient"' not in query["sql"]:
                continue
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + query["sql"])
                plans.append("\n".join(row[0] for row in cursor.fetchall()))
        assert plans
        assert all("Seq Scan on patients_patient" not in plan for plan in plans), plans
        return plans

    def _finds_likely_duplicates(self, many: Cast, someone: Patient) -> None:
        mine = Patient.objects.visible_to(many.frida, Permission.PATIENT_READ, NOW)
        facts = replace(search.facts_of(someone), email="many777@post.example")
        with CaptureQueriesContext(connection) as asked:
            pairs = search.known_as(mine, facts)
        assert pairs
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + asked.captured_queries[-1]["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on patients_patient" not in plan, plan

    def _walks_the_list(self, many: Cast) -> None:
        rows = Patient.objects.visible_to(many.frida, Permission.PATIENT_READ, NOW).filter(home_location=many.denver)
        plan = rows.order_by("-registered_at", "-id")[:31].explain()
        assert "patient_by_location" in plan
        assert "Sort" not in plan.replace("Incremental Sort", "")


class TestPage:
    def test_shows_who_was_found_and_says_so_to_the_audit(self, people: Cast, signed_in: SignedIn) -> None:
        page = signed_in(people.frida).get(reverse("patients:patients"), {"q": "obrien"})
        assert "Shiv (Siobhán) O&#x27;Brien" in page.content.decode()
        event = AuditEvent.objects.get(verb="list.read")
        assert event.details["patients"] == [str(Patient.objects.get(mrn="SW-10077").pk)]
        assert "obrien" not in str(event.details)

    def test_nobody_found_says_what_to_try(self, cast: Cast, signed_in: SignedIn) -> None:
        assert b"Nobody found" in signed_in(cast.frida).get(reverse("patients:patients"), {"q": "zzzz"}).content

    def test_htmx_gets_the_list_alone(self, people: Cast, signed_in: SignedIn) -> None:
        part = signed_in(people.frida).get(
            reverse("patients:patients"), {"q": "quintero"}, headers={"HX-Request": "true"}
        )
        assert b"<html" not in part.content
        assert b"Quintero" in part.content

    def test_pages_by_keyset_forth_and_back(self, cast: Cast, signed_in: SignedIn) -> None:
        for n in range(70):
            make.make_patient(cast.denver, f"Row{n:02}", registered_at=NOW - timedelta(days=400 + n // 3))
        client = signed_in(cast.frida)
        path, seen = reverse("patients:patients"), []
        address = path
        while address:
            page = client.get(address)
            seen += [row["name"] for row in page.context["rows"]]
            back, address = page.context["page"]["newer"], page.context["page"]["older"]
        assert len(seen) == len(set(seen)) == 72
        previous = client.get(back)
        assert [row["name"] for row in previous.context["rows"]] == seen[30:60]

    @pytest.mark.parametrize(
        "query",
        [
            "?after=nonsense",
            "?before=2027-01-01~x",
            "?after=2027-01-01T00:00~" + "d5338afb-f5eb-4a84-8041-027209756604",
        ],
    )
    def test_a_made_up_place_is_the_first_page(self, cast: Cast, signed_in: SignedIn, query: str) -> None:
        assert signed_in(cast.frida).get(reverse("patients:patients") + query).status_code == 200

    @pytest.mark.parametrize("query", ["", "?q=same"])
    def test_queries_do_not_grow(self, cast: Cast, signed_in: SignedIn, query: str) -> None:
        client = signed_in(cast.frida)
        make.make_patient(cast.denver, "Row", "Same")
        counts = [queries(client, reverse("patients:patients") + query)]
        for n in range(29):
            make.make_patient(cast.denver, f"Row{n}", "Same")
        counts.append(queries(client, reverse("patients:patients") + query))
        assert counts[0] == counts[1]

    def test_phoenix_sees_phoenix(self, cast: Cast, signed_in: SignedIn) -> None:
        names = {row["name"] for row in signed_in(cast.olga).get(reverse("patients:patients")).context["rows"]}
        assert names == {"Sol Serrano"}
