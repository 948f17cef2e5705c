"""Language and interpreter: not asked until somebody says, shown as such, and never guessed."""

import importlib
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from clinic import letters
from clinic.models import OutboundMessage
from patients.actions import patients as actions
from patients.models import Patient
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn, owner_rights


@pytest.fixture
def frida(cast: Cast, now: datetime, signed_in: SignedIn) -> Client:
    return signed_in(cast.frida)


def registered(client: Client, cast: Cast, **values: str) -> Patient:
    sent = {
        "given_name": "Nadia", "family_name": "Noor", "birth_date": "3/4/1990", "phone": "(303) 555-0171",
        "home_location": str(cast.denver.pk), **values,
    }  # fmt: skip
    response = client.post(reverse("patients:register_patient"), sent)
    assert response.status_code == 302, response.context["form"].errors
    return Patient.objects.get(family_name="Noor")


def page(client: Client, patient: Patient) -> str:
    text = client.get(reverse("patients:patient", args=[patient.pk])).content.decode()
    return " ".join(text.split()).replace("> <", "><")


SELECTED = re.compile(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', re.S)


class TestRegister:
    def test_a_browser_sends_no_fact_that_nobody_chose(self, cast: Cast, frida: Client) -> None:
        """Without a chosen option a browser sends a list's first one: that must say that nobody asked."""
        text = frida.get(reverse("patients:register_patient")).content.decode()
        sent = {}
        for name, options in SELECTED.findall(text):
            chosen = re.search(r'value="([^"]*)"[^>]*selected', options) or re.search(r'value="([^"]*)"', options)
            assert chosen
            sent[name] = chosen.group(1)
        assert sent == {
            "home_location": str(cast.denver.pk), "sex_at_birth": "unknown", "time_zone": "", "language": "",
            "needs_interpreter": "", "uses_wheelchair": "", "hard_of_hearing": "", "low_vision": "", "email_consent": "",
        }  # fmt: skip
        patient = registered(frida, cast, **sent)
        assert (patient.sex_at_birth, patient.language, patient.needs_interpreter) == ("unknown", "", None)

    def test_the_form_begins_at_not_asked(self, frida: Client) -> None:
        form = frida.get(reverse("patients:register_patient")).context["form"]
        for name in ("language", "needs_interpreter"):
            assert (form[name].value() or "") == ""
            assert [str(label) for value, label in form.fields[name].choices if value == ""] == ["Not asked"]

    def test_nothing_said_is_not_asked(self, cast: Cast, frida: Client) -> None:
        patient = registered(frida, cast)
        assert (patient.language, patient.needs_interpreter) == ("", None)
        shown = page(frida, patient)
        assert "<dt>Language</dt><dd>Not asked</dd>" in shown
        assert "<dt>Interpreter</dt><dd>Not asked</dd>" in shown

    @pytest.mark.parametrize(
        ("typed", "kept", "words"), [("yes", True, "Needed"), ("no", False, "Not needed"), ("", None, "Not asked")]
    )
    def test_what_was_said_is_kept(self, cast: Cast, frida: Client, typed: str, kept: bool | None, words: str) -> None:
        patient = registered(frida, cast, language="es", needs_interpreter=typed)
        assert (patient.language, patient.needs_interpreter) == ("es", kept)
        shown = page(frida, patient)
        assert "<dt>Language</dt><dd>Spanish</dd>" in shown
        assert f"<dt>Interpreter</dt><dd>{words}</dd>" in shown
        assert ("bi-translate" in shown) is (kept is True)

    @pytest.mark.parametrize("values", [{"needs_interpreter": "on"}, {"language": "xx"}])
    def test_another_answer_is_refused_in_its_field(self, cast: Cast, frida: Client, values: dict[str, str]) -> None:
        sent = {"given_name": "N", "family_name": "Noor", "birth_date": "3/4/1990", "phone": "(303) 555-0171",
                "home_location": str(cast.denver.pk), **values}  # fmt: skip
        response = frida.post(reverse("patients:register_patient"), sent)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == list(values)
        assert not Patient.objects.filter(family_name="Noor").exists()


class TestEdit:
    def opened(self, client: Client, patient: Patient) -> dict[str, Any]:
        form = client.get(reverse("patients:edit_patient", args=[patient.pk])).context["form"]
        return {bound.html_name: bound.value() or "" for bound in form}

    def test_saving_something_else_asks_nothing_and_answers_nothing(self, cast: Cast, frida: Client) -> None:
        path = reverse("patients:edit_patient", args=[cast.quinn.pk])
        assert frida.post(path, {**self.opened(frida, cast.quinn), "city": "Golden"}).status_code == 302
        cast.quinn.refresh_from_db()
        assert (cast.quinn.city, cast.quinn.language, cast.quinn.needs_interpreter) == ("Golden", "", None)

    @pytest.mark.parametrize(("answer", "kept"), [("yes", True), ("no", False)])
    def test_an_answer_and_its_history(self, cast: Cast, frida: Client, answer: str, kept: bool) -> None:
        path = reverse("patients:edit_patient", args=[cast.quinn.pk])
        said = {**self.opened(frida, cast.quinn), "needs_interpreter": answer, "language": "en"}
        assert frida.post(path, said).status_code == 302
        cast.quinn.refresh_from_db()
        assert (cast.quinn.language, cast.quinn.needs_interpreter) == ("en", kept)
        assert self.opened(frida, cast.quinn)["needs_interpreter"] == answer
        history = frida.get(reverse("patients:patient_history", args=[cast.quinn.pk])).context["changes"]
        lines = {line["field"]: (line["old"], line["new"]) for line in history[0]["lines"]}
        assert lines == {"Language": ("not asked", "English"), "Needs an interpreter": ("not asked", answer)}

    def test_a_language_from_elsewhere_is_kept(self, cast: Cast, frida: Client) -> None:
        Patient.objects.filter(pk=cast.quinn.pk).update(language="fr")
        path = reverse("patients:edit_patient", args=[cast.quinn.pk])
        assert frida.post(path, {**self.opened(frida, cast.quinn), "city": "Golden"}).status_code == 302
        cast.quinn.refresh_from_db()
        assert cast.quinn.language == "fr"
        assert "<dt>Language</dt><dd>Fr</dd>" in page(frida, cast.quinn)


@pytest.mark.parametrize(("language", "written_in"), [("", "en"), ("es", "es"), ("other", "other")])
def test_letters_to_the_unasked_are_in_the_houses_own_language(cast: Cast, language: str, written_in: str) -> None:
    Patient.objects.filter(pk=cast.quinn.pk).update(language=language)
    cast.quinn.refresh_from_db()
    kept = actions.identity_of(patient=cast.quinn)
    actions.edit(by=cast.frida, patient=cast.quinn, version=1, identity=replace(kept, email=""), now=make.NOON)
    letter = OutboundMessage.objects.get(kind="address_changed")
    assert letter.language == written_in
    assert "we no longer write to this e-mail address" in letters.render(letter).text


class TestMigration:
    """What the two were before they could be "not asked"."""

    def test_defaults_are_forgotten_and_answers_are_kept(self, cast: Cast) -> None:
        def person(name: str, *values: tuple[str, bool]) -> Patient:
            made = make.make_patient(cast.denver, name, language=values[0][0], needs_interpreter=values[0][1])
            for language, interpreter in values[1:]:
                Patient.objects.filter(pk=made.pk).update(language=language, needs_interpreter=interpreter)
            return made

        default = person("Default", ("en", False))
        spanish = person("Spanish", ("es", False))
        helped = person("Helped", ("en", True))
        went_back = person("Back", ("en", False), ("es", True), ("en", False))
        known = person("Known", ("es", True))
        forget = importlib.import_module("patients.migrations.0004_forget_defaults").FORGET
        with owner_rights(), connection.cursor() as cursor:
            cursor.execute(forget)
            cursor.execute(forget)
        found = {
            who.given_name: (who.language, who.needs_interpreter, who.version)
            for who in Patient.objects.filter(pk__in=[p.pk for p in (default, spanish, helped, went_back, known)])
        }
        assert found == {
            "Default": ("", None, 2),
            "Spanish": ("es", None, 2),
            "Helped": ("", True, 2),
            "Back": ("en", False, 1),
            "Known": ("es", True, 1),
        }
