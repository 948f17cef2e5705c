"""Registers the letters, the work and the record numbers of this app, and tells the ground floor who is behind a sign-in
and who treats a patient."""

import uuid
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from clinic.homelocation import PatientBehind
    from clinic.models import User


class PatientsConfig(AppConfig):
    name = "patients"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from clinic.homelocation import register_patient_behind
        from clinic.oncall import register_treating

        from . import letters, recordnumbers, subjects

        letters.register_own()
        recordnumbers.register_own()
        subjects.register_own()
        register_patient_behind(_patient_behind)
        register_treating(_treating)


def _patient_behind(user: "User") -> "PatientBehind | None":
    """Return the patient behind a sign-in, for the name, zone and trail of their security letters."""
    from clinic.homelocation import PatientBehind

    from .models import Patient

    patient = Patient.objects.select_related("home_location").filter(portal_user=user).first()
    return PatientBehind(patient.pk, patient.home_location) if patient else None


def _treating(patient_id: uuid.UUID) -> list[uuid.UUID]:
    """Return who is called about a patient besides those on call: the care team, its lead first."""
    from .models import CareTeamMember

    team = CareTeamMember.objects.live().filter(patient_id=patient_id)
    return list(team.order_by("-is_lead", "since", "id").values_list("user_id", flat=True))
