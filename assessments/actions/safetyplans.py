"""Safety plans: six headings of our own, written by a clinician with the patient. A change is a new version."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from assessments.models import SafetyPlan
from clinic import audit
from clinic.errors import Refused
from clinic.models import User
from patients.models import Patient


class NothingInIt(Refused):
    """A plan with no word in it."""

    def __init__(self) -> None:
        super().__init__(_("Nothing is written under any heading. Write at least one thing that helps."))


class WrittenMeanwhile(Refused):
    """Somebody wrote a newer version."""

    def __init__(self, name: str) -> None:
        super().__init__(
            _("%(name)s has written a newer plan meanwhile. It is shown beside this page: take over what holds, then save again.")
            % {"name": name}
        )  # fmt: skip


@transaction.atomic
def write(
    *, by: User, patient: Patient, parts: Mapping[str, str], with_patient: bool, seen_number: int, now: datetime
) -> SafetyPlan:
    """Return the new version of the patient's plan. ``parts`` are texts by heading; ``seen_number`` the version last read.

    Refuses a plan without a word, and one written over a newer version that the writer has not seen.
    """
    if not any(parts.get(name, "").strip() for name in SafetyPlan.HEADINGS):
        raise NothingInIt
    patient = Patient.objects.select_for_update(no_key=True, of=("self",)).get(pk=patient.pk)
    last = SafetyPlan.objects.filter(patient=patient).select_related("written_by").order_by("-number").first()
    if last is not None and last.number != seen_number:
        raise WrittenMeanwhile(last.written_by.name)
    plan = SafetyPlan.objects.create(
        patient=patient, number=last.number + 1 if last else 1, written_by=by, written_at=now, with_patient=with_patient,
        **{name: parts.get(name, "") for name in SafetyPlan.HEADINGS},
    )  # fmt: skip
    audit.record(
        by, audit.Verb.SAFETY_PLAN_WRITTEN, plan, now=now, location_id=patient.home_location_id,
        details={"number": plan.number, "with_patient": with_patient},
    )  # fmt: skip
    return plan
