"""Registers the letters whose subjects live in this app, and tells the ground floor where a patient belongs."""

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from clinic.models import Location, User


class PatientsConfig(AppConfig):
    name = "patients"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from clinic.accounts import register_patient_location

        from . import letters

        letters.register_own()
        register_patient_location(_home_of)


def _home_of(user: "User") -> "Location | None":
    """Return the home location of the patient behind a sign-in, for the name and zone of their security letters."""
    from .models import Patient

    patient = Patient.objects.select_related("home_location").filter(portal_user=user).first()
    return patient.home_location if patient else None
