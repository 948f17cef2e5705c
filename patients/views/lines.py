"""How a patient is shown in one line."""

from datetime import date, datetime
from typing import Any

from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _

from clinic import localtime
from patients.models import LifeState, Patient

LIFE_PILLS = {
    LifeState.ENQUIRER: "planned",
    LifeState.ACTIVE: "confirmed",
    LifeState.PAUSED: "due",
    LifeState.DISCHARGED: "done",
    # Neither a cross nor a stroke through the word.
    LifeState.DECEASED: "not_assessed",
}


def birth_text(day: date) -> str:
    """Return a birth date, like "17 May 1984": nobody is found by the weekday they were born on."""
    return formats.date_format(day, "j M Y")


def asked_text(answer: bool | None) -> str:
    """Return the answer to a question that may not have been asked."""
    if answer is None:
        return _("Not asked")
    return _("Yes") if answer else _("No")


def phone_text(phone: Any) -> str:
    """Return a phone as one dials it from here: "(303) 555-0188", or with its country, "+44 20 7946 0958"; "" for none."""
    if not phone:
        return ""
    return str(phone.as_national if phone.country_code == 1 else phone.as_international)


def patient_line(patient: Patient, now: datetime) -> dict[str, Any]:
    """Return what a list says of a patient, as text. The home location is loaded with the row."""
    place = patient.home_location
    age = patient.age_on(localtime.day_of(now, place.tz))
    return {
        "id": patient.pk,
        "url": reverse("patients:patient", args=[patient.pk]),
        "name": patient.full_name,
        "mrn": patient.mrn,
        "born": _("%(day)s (%(age)d)") % {"day": birth_text(patient.birth_date), "age": age},
        "phone": phone_text(patient.phone),
        "email": patient.email,
        "location": place.name,
        "state": patient.get_life_state_display(),
        "pill": LIFE_PILLS[LifeState(patient.life_state)],
    }
