"""What stands in the way: of clearing somebody, and of giving them a dose. Rows in, sentences out.

Both ask about the same flags. A clearance asks what binds it; a dose asks everything: the clearance itself, its route, mg, sessions
and end, the consents, every BLOCK and every OVERRIDE that nobody decided, and every question that nobody answered. Nothing here
writes, and nothing is stored: a gate is asked when it is passed. The rows are fetched by ``assessments/standing.py``. Source: domain.md 1.3, 1.6, 3.3.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext

from assessments import workup
from assessments.models import Clearance, ScreeningFlag
from assessments.screening import Binds
from clinic import localtime
from patients.models import Patient


@dataclass(frozen=True)
class Unmet:
    """One thing that is not met. ``code`` for programs, ``sentence`` for people; ``about`` is the id of the row it speaks of."""

    code: str
    sentence: str
    about: UUID | None = None

    @property
    def anchor(self) -> str:
        """Return where on the review page it is."""
        return f"flag-{self.about}" if self.about else f"unmet-{self.code}"


def in_order(flags: Iterable[ScreeningFlag]) -> list[ScreeningFlag]:
    """Return flags as every page lists them: the most severe first, and what was found before what was not answered."""
    return sorted(flags, key=lambda row: (row.flag.severity.rank, row.flag.is_question, row.code, str(row.pk)))


def _of_flag(row: ScreeningFlag) -> Unmet:
    flag = row.flag
    if flag.is_question:
        return Unmet("question", gettext("Not answered: %(flag)s") % {"flag": flag.sentence}, row.pk)
    if row.severity == ScreeningFlag.Severity.BLOCK:
        return Unmet("block", gettext("Stops a dose: %(flag)s") % {"flag": flag.sentence}, row.pk)
    return Unmet("override", gettext("Not decided: %(flag)s") % {"flag": flag.sentence}, row.pk)


def _holds(row: ScreeningFlag, on: date) -> bool:
    """Return whether a flag holds something on a day of the clinic: open, or decided with a decision that has run out by then."""
    has_run_out = row.expires_on is not None and row.expires_on < on
    is_open = row.status == ScreeningFlag.Status.OPEN or (row.status == ScreeningFlag.Status.OVERRIDDEN and has_run_out)
    return is_open and row.flag.holds_dose


def _holding(flags: Iterable[ScreeningFlag], on: date, decided: Collection[UUID] = ()) -> list[ScreeningFlag]:
    """Return the flags that hold something, those that stop a dose first. ``decided`` are being decided in the same moment."""
    return in_order(row for row in flags if row.pk not in decided and _holds(row, on))


def _of_screening(is_screened: bool) -> list[Unmet]:
    """Somebody whom nobody screened has no flags either: that is not the same as having none."""
    return [] if is_screened else [Unmet("not_screened", gettext("Nobody has screened this patient yet."))]


def for_clearance(
    *,
    is_screened: bool,
    flags: Iterable[ScreeningFlag],
    lines: Iterable[workup.Line],
    on: date,
    decided: Collection[UUID] = (),
    workup_words: str = "",
) -> tuple[Unmet, ...]:
    """Return what keeps a prescriber from clearing, most severe first. ``is_screened``: the rules have been asked at all.

    A flag that binds doses alone (no escort) or one day holds no clearance: it is asked again where it binds. What is missing of the
    work-up and asked by no rule, or was found there, holds it until somebody says in words why it may go ahead.
    """
    unmet = _of_screening(is_screened)
    unmet += [_of_flag(row) for row in _holding(flags, on, decided) if row.flag.binds is Binds.CLEARANCE]
    if not workup_words.strip():
        unmet += [
            Unmet(
                f"workup-{line.item}",
                (
                    gettext("Work-up: %(what)s is %(state)s. Say below why it may go ahead.")
                    if line.has_finding
                    else gettext("Work-up: %(what)s is %(state)s. Record it, or say below why it is not needed.")
                )
                % {"what": line.label, "state": line.words},
            )
            for line in lines
            if line.needs_words
        ]
    return tuple(unmet)


@dataclass(frozen=True, kw_only=True)
class Dose:
    """The dose somebody wants to give: ``on`` is a day of the clinic."""

    route: str
    mg: Decimal
    on: date
    # How many sessions were given under the clearance before this one.
    sessions_given: int


def for_dose(
    *,
    patient: Patient,
    dose: Dose,
    clearances: Iterable[Clearance],
    is_screened: bool,
    flags: Iterable[ScreeningFlag],
    consents_missing: Iterable[str],
    capacity_in_doubt: bool = False,
) -> tuple[Unmet, ...]:
    """Return everything that keeps this dose from being given, each by name; empty when nothing does. ``capacity_in_doubt``: a
    clinician doubts that the patient understands what is done, whatever was signed before.

    ``clearances`` and ``flags`` are the patient's live ones, ``consents_missing`` the names of the consents that do not stand. Flags of the
    day are screened anew before each dose and come among ``flags`` then.
    """
    unmet: list[Unmet] = []
    if not patient.gets_letters:
        unmet.append(
            Unmet("life_state", gettext("The record says: %(state)s.") % {"state": patient.get_life_state_display()})
        )
    unmet += _of_clearance(dose, [one for one in clearances if one.route == dose.route])
    unmet += [
        Unmet("consent", gettext("No consent that stands: %(what)s.") % {"what": name}) for name in consents_missing
    ]
    if capacity_in_doubt:
        unmet.append(Unmet("capacity", gettext("A clinician doubts whether the patient can consent at present.")))
    unmet += _of_screening(is_screened)
    unmet += [_of_flag(row) for row in _holding(flags, dose.on)]
    return tuple(unmet)


def _of_clearance(dose: Dose, here: list[Clearance]) -> list[Unmet]:
    found = next((one for one in here if one.is_cleared), None)
    if found is None:
        if any(one.is_suspended for one in here):
            return [Unmet("clearance_suspended", gettext("The clearance for this route is suspended."))]
        return [Unmet("clearance", gettext("There is no clearance for this route."))]
    unmet = []
    if found.expires_on is None or found.expires_on < dose.on:
        until = localtime.day_text(found.expires_on) if found.expires_on else ""
        unmet.append(
            Unmet("clearance_expired", gettext("The clearance ran out after %(day)s.") % {"day": until}, found.pk)
        )
    if found.max_mg is None or dose.mg > found.max_mg:
        words = {"mg": dose.mg, "most": found.max_mg}
        unmet.append(
            Unmet("clearance_mg", gettext("%(mg)s mg is more than the %(most)s mg that are cleared.") % words, found.pk)
        )
    if found.max_sessions is None or dose.sessions_given >= found.max_sessions:
        words = {"most": found.max_sessions}
        unmet.append(
            Unmet(
                "clearance_sessions",
                gettext("All %(most)s sessions that were cleared have been given.") % words,
                found.pk,
            )
        )
    return unmet
