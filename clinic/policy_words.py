"""What each limit of the policy is called, its unit, and where it comes from: for the page that people read and sign.

The numbers are in ``PolicyVersion.values`` and asked for by ``clinic/policy.py``; none of them is here. A limit without
words is shown by its path, so that nothing in force is ever hidden; a test holds this table against the first limits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

Path = tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """``shows`` takes the value, or its items when it is a list: "{0} to {1} per minute"."""

    path: Path
    label: str | Promise
    shows: str | Promise
    source: str | Promise


@dataclass(frozen=True)
class Section:
    title: str | Promise
    limits: tuple[Words, ...]


_MINUTES, _HOURS, _DAYS, _MMHG, _MG = (
    lazy("{0} minutes"), lazy("{0} hours"), lazy("{0} days"), "{0}/{1} mmHg", "{0} mg",
)  # fmt: skip

SECTIONS: tuple[Section, ...] = (
    Section(lazy("The dosing session"), (
        Words(("session", "length_min"), lazy("Length of a session"), _MINUTES, lazy("domain 3.1; a founding practice books 2.5 hours")),
        Words(("session", "overrun_hold_min"), lazy("Room kept free afterwards, should it run long"), _MINUTES, "domain 3.1"),
        Words(("session", "turnover_min"), lazy("Time to turn the room over"), _MINUTES, "domain 8.2"),
        Words(("session", "observation_floor_min", "sl"), lazy("Observed after the last dose, sublingual: at least"), _MINUTES, lazy("domain 3.1, modelled on the esketamine label")),
        Words(("session", "observation_floor_min", "oral"), lazy("Observed after the last dose, swallowed: at least"), _MINUTES, lazy("domain 3.1, modelled on the esketamine label")),
        Words(("session", "observation_floor_min", "im"), lazy("Observed after the last dose, intramuscular: at least"), _MINUTES, "domain 3.1"),
        Words(("session", "observation_floor_min", "iv_after_end"), lazy("Observed after the end of an infusion: at least"), _MINUTES, "domain 3.5"),
        Words(("session", "observation_floor_min", "in_esk"), lazy("Observed after intranasal esketamine: at least"), _MINUTES, lazy("domain 3.9; the REMS asks for two hours")),
        Words(("session", "cleared_ttl_min"), lazy("“Cleared to dose” lasts"), _MINUTES, "domain 3.2"),
        Words(("session", "min_days_between_doses"), lazy("Between two doses: at least"), _DAYS, "domain 3.4"),
    )),
    Section(lazy("Blood pressure"), (
        Words(("bp", "pre_green"), lazy("Before a dose: goes ahead up to"), _MMHG, "domain 3.5"),
        Words(("bp", "pre_red"), lazy("Before a dose: no dose from"), _MMHG, "domain 3.5"),
        Words(("bp", "pre_stop"), lazy("Before a dose: stop for today from"), _MMHG, "domain 3.5"),
        Words(("bp", "post_amber"), lazy("After a dose: watch closely from"), _MMHG, "domain 3.5"),
        Words(("bp", "post_red"), lazy("After a dose: prescriber to the room from"), _MMHG, "domain 3.5"),
        Words(("bp", "post_crisis"), lazy("After a dose: rescue orders from a single reading of"), _MMHG, "domain 3.5"),
        Words(("bp", "recheck_min"), lazy("Rest before a reading is repeated"), _MINUTES, "domain 3.5"),
        Words(("bp", "max_rechecks"), lazy("Readings before the dose is given up: at most"), "{0}", "domain 3.5"),
    )),
    Section(lazy("Other vital signs"), (
        Words(("vitals", "hr"), lazy("Heart rate in order from"), lazy("{0} to {1} per minute"), "domain 3.5"),
        Words(("vitals", "spo2_min"), lazy("Oxygen saturation in order from"), "{0} %", "domain 3.5"),
        Words(("vitals", "spo2_red"), lazy("Oxygen saturation is an alarm below"), "{0} %", "domain 3.5"),
        Words(("vitals", "rr"), lazy("Breathing rate in order from"), lazy("{0} to {1} per minute"), "domain 3.5"),
        Words(("vitals", "temp_max_c"), lazy("Temperature before a dose below"), "{0} °C", "domain 3.3"),
        Words(("vitals", "window_min"), lazy("A reading is on time within"), lazy("{0} minutes of its time"), "domain 3.5"),
        Words(("vitals", "page_late_min"), lazy("A late reading pages the prescriber after"), _MINUTES, "domain 3.5"),
    )),
    Section(lazy("Sedation"), (
        Words(("sedation", "scale"), lazy("Scale"), "{0}", "domain 3.6"),
        Words(("sedation", "notify_le"), lazy("Prescriber is told at or below"), lazy("score {0}"), "domain 3.6"),
        Words(("sedation", "emergency_le"), lazy("Emergency response at or below"), lazy("score {0}"), "domain 3.6"),
        Words(("sedation", "discharge_eq"), lazy("Goes home only at"), lazy("score {0}"), "domain 3.6"),
    )),
    Section(lazy("Sublingual dose"), (
        Words(("dose_mg_sl", "first_soft"), lazy("First session: needs a reason above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "first_hard"), lazy("First session: never above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "soft"), lazy("Later sessions: needs a reason above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "hard"), lazy("Later sessions: never above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "step_max"), lazy("From one session to the next: at most"), lazy("{0} mg more"), "domain 3.4"),
        Words(("booster", "max"), lazy("Boosters in a session: at most"), "{0}", "domain 3.4"),
        Words(("booster", "window_min"), lazy("A booster is given between"), lazy("{0} and {1} minutes after the dose"), "domain 3.4"),
        Words(("booster", "pct_max"), lazy("A booster is at most"), lazy("{0} % of the first dose"), "domain 3.4"),
    )),
    Section(lazy("Before a session"), (
        Words(("consent_valid_days",), lazy("A signed consent is valid for"), _DAYS, "domain 3.3"),
        Words(("clearance", "valid_days"), lazy("A clearance is valid for"), _DAYS, "domain 1.6"),
        Words(("clearance", "max_days"), lazy("A clearance is extended to at most"), _DAYS, "domain 1.6"),
        Words(("weight_max_age_days",), lazy("The weight is no older than"), _DAYS, "domain 3.3"),
        Words(("fasting_h", "sl_oral_food"), lazy("No food before a sublingual or swallowed dose"), _HOURS, "domain 3.3"),
        Words(("fasting_h", "clear_fluid"), lazy("No clear fluids before a dose"), _HOURS, "domain 3.3"),
        Words(("fasting_h", "in_esk_food"), lazy("No food before intranasal esketamine"), _HOURS, lazy("domain 3.3; esketamine label")),
        Words(("fasting_h", "in_esk_fluid_min"), lazy("No fluids before intranasal esketamine"), _MINUTES, lazy("domain 3.3; esketamine label")),
    )),
    Section(lazy("Risk to life"), (
        Words(("risk", "red_ack_min"), lazy("A red alert is acknowledged within"), _MINUTES, "domain 6.5"),
        Words(("risk", "red_contact_min"), lazy("A red alert: the patient is reached within"), _MINUTES, "domain 6.5"),
        Words(("risk", "orange_hours"), lazy("An orange alert is dealt with within"), _HOURS, "domain 6.5"),
        Words(("risk", "orange_after_hours_min"), lazy("An orange alert after hours is dealt with within"), _MINUTES, "domain 6.5"),
    )),
    Section(lazy("Letters"), (
        Words(("reminders", "offsets_h"), lazy("Reminders before a visit"), lazy("{0} hours before"), "domain 7"),
        Words(("reminders", "window_local"), lazy("Sent between, on the patient's clock"), lazy("{0} and {1}"), lazy("domain 7; stricter than the law's 08:00 to 21:00")),
        Words(("reminders", "escort_confirm_h"), lazy("The escort is confirmed before a session"), lazy("{0} hours before"), "domain 7"),
    )),
    Section(lazy("Sessions at a screen"), (
        Words(("timeouts_min", "staff"), lazy("Staff are signed out after idling for"), _MINUTES, "domain 9.1"),
        Words(("timeouts_min", "kiosk"), lazy("A front-desk kiosk locks after"), _MINUTES, "domain 9.1"),
        Words(("timeouts_min", "portal"), lazy("Patients are signed out after idling for"), _MINUTES, "domain 9.1"),
        Words(("timeouts_min", "tablet_lock"), lazy("A room tablet locks after"), _MINUTES, "domain 9.1"),
    )),
    Section(lazy("Records and reports"), (
        Words(("deadlines_h", "dosing_note"), lazy("The note of a dosing session is due within"), _HOURS, "domain 5.2"),
        Words(("deadlines_h", "note_red"), lazy("An unsigned note is overdue after"), _HOURS, "domain 5.2"),
        Words(("dea", "inventory_months"), lazy("Inventory of controlled substances every"), lazy("{0} months"), lazy("domain 4; 21 CFR 1304.11")),
        Words(("dea", "theft_notice_business_days"), lazy("Business days within which theft or loss is reported to the DEA"), "{0}", lazy("domain 4; 21 CFR 1301.76(b)")),
        Words(("dea", "form106_days"), lazy("DEA form 106 is filed within"), _DAYS, lazy("domain 4; 21 CFR 1301.76(b)")),
        Words(("dea", "record_years"), lazy("Records of controlled substances are kept for"), lazy("{0} years"), lazy("domain 4; 21 CFR 1304.04")),
        Words(("rems", "pmf_due_days"), lazy("The esketamine monitoring form is sent within"), _DAYS, lazy("domain 3.9; the REMS")),
    )),
)  # fmt: skip

BY_PATH: dict[Path, Words] = {words.path: words for section in SECTIONS for words in section.limits}


def leaves(values: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield (path, value) of every limit of a version, lists being one value."""
    if isinstance(values, dict):
        for key, inner in values.items():
            yield from leaves(inner, (*path, str(key)))
    else:
        yield path, values


def label_of(path: Path) -> str:
    """Return what a limit is called, or its path when nobody has named it yet."""
    return str(BY_PATH[path].label) if path in BY_PATH else ".".join(path)


def shown(path: Path, value: Any) -> str:
    """Return a value with its unit, as people read it: "140/90 mmHg", "168, 72, 24 and 2 hours before"."""
    words = BY_PATH.get(path)
    if words is None:
        return str(value)
    shows = str(words.shows)
    items = value if isinstance(value, list) else [value]
    if len(items) == shows.count("{"):
        return shows.format(*items)
    if not items:
        return shows.format("—")
    *first, last = (str(item) for item in items)
    listed = _("%(some)s and %(last)s") % {"some": ", ".join(first), "last": last} if first else last
    return shows.format(listed, "")
