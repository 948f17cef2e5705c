"""The words a prescriber signs: the whole decision in one text, which is kept with the move as it was signed. Fetches nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.translation import gettext

from assessments import workup
from assessments.models import Clearance
from clinic import localtime
from patients.models import Patient
from patients.models.consents import Route


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a prescriber decides about one clearance. Nothing has a default but what the outcome has no place for."""

    outcome: str
    reason: str = ""
    # Of a clearance.
    route: str = ""
    max_mg: int | None = None
    max_sessions: int | None = None
    conditions: str = ""
    # Why it is decided without what is missing of the work-up.
    workup_words: str = ""
    # Of what is put off: the day on which it is looked at again.
    until: date | None = None

    @property
    def clears(self) -> bool:
        return self.outcome in Clearance.CLEARED


def text_of(
    *,
    patient: Patient,
    step: int,
    decision: Decision,
    expires_on: date | None,
    gone_without: Sequence[workup.Line],
    overrides: Sequence[str],
    ends: Sequence[str] = (),
    policy_number: int,
    by: str,
    now: datetime,
) -> str:
    """Return exactly what is signed, line by line: who, what, until when, under which limits, and each flag decided with it.

    ``step`` is the version that was decided about, so that the same words about another step are another text; ``ends`` says
    what was cleared and ends with a no.
    """
    lines = [
        gettext("Clearance of %(name)s, %(mrn)s, step %(step)s")
        % {"name": patient.full_name, "mrn": patient.mrn, "step": step},
        gettext("Decided by %(who)s on %(when)s")
        % {"who": by, "when": localtime.moment_text(now, patient.home_location.tz)},
        gettext("Decision: %(outcome)s") % {"outcome": Clearance.Status(decision.outcome).label},
    ]
    if decision.clears:
        lines += [
            gettext("Route: %(route)s") % {"route": Route(decision.route).label},
            gettext("At most %(mg)s mg a dose") % {"mg": decision.max_mg},
            gettext("At most %(count)s sessions") % {"count": decision.max_sessions},
        ]
    if expires_on is not None:
        until = gettext("Looked at again on %(day)s") if decision.until else gettext("Holds until %(day)s")
        lines.append(until % {"day": localtime.day_text(expires_on)})
    lines += [
        said % {"words": words}
        for said, words in (
            (gettext("Conditions: %(words)s"), decision.conditions),
            (gettext("Reason: %(words)s"), decision.reason),
        )
        if words
    ]
    if ends:
        lines.append(gettext("Ends: %(what)s") % {"what": "; ".join(ends)})
    if gone_without and decision.clears:
        missing = ", ".join(str(line.label) for line in gone_without if not line.has_finding)
        found = ", ".join(str(line.label) for line in gone_without if line.has_finding)
        lines += [gettext("Without: %(what)s") % {"what": missing}] if missing else []
        lines += [gettext("In spite of what was found: %(what)s") % {"what": found}] if found else []
        lines.append(gettext("Because: %(words)s") % {"words": decision.workup_words})
    lines.append(gettext("Limits: policy version %(number)s") % {"number": policy_number})
    return "\n\n".join(["\n".join(lines), *overrides])
