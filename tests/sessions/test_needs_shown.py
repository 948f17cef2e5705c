"""What makes a visit possible for somebody, shown where a visit is booked, prepared and given."""

from datetime import datetime

import pytest
from django.urls import reverse

from patients.models import Patient
from patients.needs import BRIEF, Asked, needs_of, not_asked
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

NOBODY_ASKED = Asked(None, "", "", None, None, None, "")


@pytest.mark.parametrize(
    ("answers", "words", "missing"),
    [
        ({}, [], ["interpreter", "access needs"]),
        (dict.fromkeys(("needs_interpreter", "uses_wheelchair", "hard_of_hearing", "low_vision"), False), [], []),
        ({"needs_interpreter": True, "language": "es"}, ["Interpreter: Spanish"], ["access needs"]),
        ({"needs_interpreter": True, "interpreter_language": "ASL"}, ["Interpreter: ASL"], ["access needs"]),
        ({"interpreter_language": "ASL", "needs_interpreter": False, "access_needs": "A quiet room"}, ["A quiet room"], []),
        (
            {"uses_wheelchair": True, "hard_of_hearing": True, "low_vision": True},
            ["Wheelchair: no steps", "Hard of hearing", "Low vision"], ["interpreter"],
        ),
    ],
)  # fmt: skip
def test_words(answers: dict[str, object], words: list[str], missing: list[str]) -> None:
    asked = NOBODY_ASKED._replace(**answers)  # type: ignore[arg-type]  # a table of answers
    assert [need.words for need in needs_of(asked)] == words
    assert all(need.icon for need in needs_of(asked))
    assert not_asked(asked) == missing


def test_what_was_written_freely_fits_a_card() -> None:
    long = NOBODY_ASKED._replace(access_needs="x" * 200)
    assert len(needs_of(long, brief=True)[0].words) == BRIEF
    assert len(needs_of(long)[0].words) == 200


@pytest.mark.parametrize("is_asked", [True, False])
def test_where_it_matters(cast: Cast, signed_in: SignedIn, now: datetime, is_asked: bool) -> None:
    """Booking, moving, the visit, today's board and the list that is printed; "not asked" where somebody can still ask."""
    if is_asked:
        Patient.objects.filter(pk=cast.quinn.pk).update(
            needs_interpreter=True, interpreter_language="ASL", uses_wheelchair=True, hard_of_hearing=False, low_vision=False
        )  # fmt: skip
    visit = make.make_appointment(cast.quinn, cast.intake, cast.dana, now)
    frida = signed_in(cast.frida)
    preparing = [
        reverse("patients:patient", args=[cast.quinn.pk]),
        reverse("sessions:book_visit", args=[cast.quinn.pk]),
        reverse("sessions:plan_course", args=[cast.quinn.pk]),
        f"{reverse('sessions:book_intake')}?patient={cast.quinn.pk}",
        reverse("sessions:appointment", args=[visit.pk]),
        reverse("sessions:reschedule", args=[visit.pk]),
    ]
    for address in [*preparing, reverse("sessions:today"), reverse("sessions:schedule")]:
        page = frida.get(address).content.decode()
        assert ("Interpreter: ASL" in page and "Wheelchair: no steps" in page) is is_asked, address
        assert ("Not asked: interpreter, access needs" in page) is (not is_asked and address in preparing), address


def test_asked_at_registration_and_kept_in_the_history(cast: Cast, signed_in: SignedIn) -> None:
    frida = signed_in(cast.frida)
    sent = {
        "given_name": "Nadia", "family_name": "Noor", "birth_date": "3/4/1990", "phone": "(303) 555-0171",
        "home_location": str(cast.denver.pk), "uses_wheelchair": "yes", "hard_of_hearing": "no", "interpreter_language": "ASL",
    }  # fmt: skip
    assert frida.post(reverse("patients:register_patient"), sent).status_code == 302
    nadia = Patient.objects.get(family_name="Noor")
    assert (nadia.uses_wheelchair, nadia.hard_of_hearing, nadia.low_vision) == (True, False, None)
    edited = {**sent, "version": nadia.version, "uses_wheelchair": ""}
    assert frida.post(reverse("patients:edit_patient", args=[nadia.pk]), edited).status_code == 302
    history = frida.get(reverse("patients:patient_history", args=[nadia.pk])).content.decode()
    assert "Uses a wheelchair" in history
