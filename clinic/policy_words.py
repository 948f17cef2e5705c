"""What each limit of the policy is called, its unit, and where it comes from: for the page that people read and sign.

The numbers are in ``PolicyVersion.values`` and asked for by ``clinic/policy.py``; none of them is here. A limit without
words is shown by its path, so that nothing in force is ever hidden; a test holds this table against the first limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

Path = tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """``shows`` takes the value, or its items when it is a list: "{0} to {1} per minute". ``names`` are words for codes."""

    path: Path
    label: str | Promise
    shows: str | Promise
    source: str | Promise
    names: Mapping[str, str | Promise] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    title: str | Promise
    limits: tuple[Words, ...]


_MG_KG = "{0} mg/kg"
_MINUTES, _HOURS, _DAYS, _WEEKS, _MONTHS, _YEARS, _MMHG, _MG = (
    lazy("{0} minutes"), lazy("{0} hours"), lazy("{0} days"), lazy("{0} weeks"), lazy("{0} months"), lazy("{0} years"),
    "{0}/{1} mmHg", "{0} mg",
)  # fmt: skip

_SEVERITIES = {"block": lazy("no dose while it lasts"), "override": lazy("a prescriber decides, with a reason")}
_INDICATIONS = {
    "trd": lazy("treatment-resistant depression"), "gad": lazy("generalised anxiety disorder"), "ptsd": lazy("PTSD"),
    "ocd": lazy("OCD"), "rumination": lazy("chronic rumination"),
}  # fmt: skip

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
    Section(lazy("Doses"), (
        Words(("dose_mg_sl", "first_soft"), lazy("Under the tongue, first session: needs a reason above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "first_hard"), lazy("Under the tongue, first session: never above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "soft"), lazy("Under the tongue, later sessions: needs a reason above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "hard"), lazy("Under the tongue, later sessions: never above"), _MG, "domain 3.4"),
        Words(("dose_mg_sl", "step_max"), lazy("Under the tongue, from one session to the next: at most"), lazy("{0} mg more"), "domain 3.4"),
        Words(("dose_mg_kg", "oral"), lazy("Swallowed: never above"), _MG_KG, "domain 3.4"),
        Words(("dose_mg_kg", "im"), lazy("Into a muscle: never above"), _MG_KG, "domain 3.4"),
        Words(("dose_mg_kg", "iv"), lazy("Into a vein, over 40 minutes: never above"), _MG_KG, "domain 3.4"),
        Words(("dose_mg_in", "hard"), lazy("Esketamine nasal spray: never above"), _MG, lazy("domain 3.4; esketamine label")),
        Words(("booster", "max"), lazy("Boosters in a session: at most"), "{0}", "domain 3.4"),
        Words(("booster", "window_min"), lazy("A booster is given between"), lazy("{0} and {1} minutes after the dose"), "domain 3.4"),
        Words(("booster", "pct_max"), lazy("A booster is at most"), lazy("{0} % of the first dose"), "domain 3.4"),
    )),
    Section(lazy("Before a session"), (
        Words(("consent_valid_days",), lazy("A signed consent is valid for"), _DAYS, "domain 3.3"),
        Words(("clearance", "valid_days"), lazy("A clearance is valid for"), _DAYS, "domain 1.6"),
        Words(("clearance", "after_dose_days"), lazy("A clearance outlasts the last dose by"), _DAYS, "domain 1.6"),
        Words(("clearance", "max_days"), lazy("A clearance is extended to at most"), _DAYS, "domain 1.6"),
        Words(("clearance", "max_sessions"), lazy("A clearance allows at most"), lazy("{0} sessions"), "domain 6.4"),
        Words(("weight_max_age_days",), lazy("The weight is no older than"), _DAYS, "domain 3.3"),
        Words(("fasting_h", "sl_oral_food"), lazy("No food before a sublingual or swallowed dose"), _HOURS, "domain 3.3"),
        Words(("fasting_h", "clear_fluid"), lazy("No clear fluids before a dose"), _HOURS, "domain 3.3"),
        Words(("fasting_h", "in_esk_food"), lazy("No food before intranasal esketamine"), _HOURS, lazy("domain 3.3; esketamine label")),
        Words(("fasting_h", "in_esk_fluid_min"), lazy("No fluids before intranasal esketamine"), _MINUTES, lazy("domain 3.3; esketamine label")),
    )),
    Section(lazy("Intake and questionnaires"), (
        Words(("packet", "valid_days"), lazy("An intake packet can be filled in for"), _DAYS, "domain 8.3"),
        Words(("questionnaire", "link_hours"), lazy("The link to a questionnaire opens for"), _HOURS, "domain 7"),
        Words(("questionnaire", "link_checks"), lazy("Tries at the second question behind a link: at most"), "{0}", "domain 9.1"),
        Words(("questionnaire", "nudge_h"), lazy("An open questionnaire is recalled after"), _HOURS, "domain 7"),
        Words(("kiosk", "code_min"), lazy("A code for the kiosk opens it for"), _MINUTES, "domain 9.1"),
        Words(("kiosk", "code_checks"), lazy("Wrong codes at one kiosk: at most"), "{0}", "domain 9.1"),
    )),
    Section(lazy("Who may be treated"), (
        Words(("screening", "adult_years"), lazy("Age: at least"), _YEARS, "domain 1.2"),
        Words(("screening", "older_years"), lazy("Lower start and more readings from the age of"), _YEARS, "domain 1.3, AGE-65"),
        Words(("screening", "indications"), lazy("Treated for"), "{0}", "domain 1.2", _INDICATIONS),
        Words(("screening", "adequate_trials"), lazy("Adequate earlier treatments without success: at least"), "{0}", "domain 1.2"),
        Words(("screening", "symptom_floor", "phq9"), lazy("Depression severe enough from a PHQ-9 of"), "{0}", "domain 1.2"),
        Words(("screening", "symptom_floor", "gad7"), lazy("or anxiety severe enough from a GAD-7 of"), "{0}", "domain 1.2"),
        Words(("screening", "telemedicine_until"), lazy("A first prescription without having met in person: last day"), "{0}", lazy("domain 1.2; the federal flexibility")),
        Words(("screening", "override_days"), lazy("A decision to go ahead despite a flag is asked again after"), _DAYS, "domain 1.3"),
        Words(("workup", "ecg_from_years"), lazy("An ECG is asked for from the age of"), _YEARS, "domain 1.5"),
    )),
    Section(lazy("What speaks against a dose"), (
        Words(("screening", "bp", "high"), lazy("Uncontrolled blood pressure from"), _MMHG, "domain 1.3, CV-HTN-UNC"),
        Words(("screening", "bp", "high_readings"), lazy("Uncontrolled when so many readings are that high"), "{0}", "domain 1.3, CV-HTN-UNC"),
        Words(("screening", "bp", "readings"), lazy("out of so many in a row"), "{0}", "domain 1.3, CV-HTN-UNC"),
        Words(("screening", "bp", "days"), lazy("taken on at least"), _DAYS, "domain 1.3, CV-HTN-UNC"),
        Words(("screening", "event", "block_weeks"), lazy("Heart attack, stroke or the like: no dose for"), _WEEKS, "domain 1.3, CV-EVENT"),
        Words(("screening", "event", "override_months"), lazy("Heart attack, stroke or the like: a prescriber decides for"), _MONTHS, "domain 1.3, CV-EVENT"),
        Words(("screening", "attempt_months"), lazy("Suicide attempt: no dose for"), _MONTHS, "domain 1.3, PSY-SUI"),
        Words(("screening", "ketamine_use_months"), lazy("Misuse of ketamine or PCP: no dose for"), _MONTHS, "domain 1.3, SUB-KET"),
        Words(("screening", "dast10_override"), lazy("Drug use: a prescriber decides from a DAST-10 of"), "{0}", "domain 1.3, SUB-SUD"),
        Words(("screening", "audit_c_override"), lazy("Drinking: a prescriber decides from an AUDIT-C of"), "{0}", "domain 2.2, SUB-SUD"),
        Words(("screening", "substance_screen_months"), lazy("Screens of drinking and drug use count for"), _MONTHS, "domain 2.2"),
        Words(("screening", "pregnancy_test_hours"), lazy("A pregnancy test counts for"), _HOURS, "domain 1.3, REP-UNK"),
        Words(("screening", "liver", "block_times_uln"), lazy("Liver tests: no dose above"), lazy("{0} times the upper limit of normal"), "domain 1.3, HEP-SEV"),
        Words(("screening", "liver", "override_times_uln"), lazy("Liver tests: a prescriber decides above"), lazy("{0} times the upper limit of normal"), "domain 1.3, HEP-MOD"),
        Words(("screening", "liver", "max_age_months"), lazy("Liver tests count for"), _MONTHS, "domain 1.5"),
        Words(("screening", "breastfeeding"), lazy("Breastfeeding"), "{0}", "domain 1.3, REP-LACT", _SEVERITIES),
        Words(("screening", "dissociative"), lazy("Primary dissociative disorder"), "{0}", "domain 1.3, PSY-DISS", _SEVERITIES),
    )),
    Section(lazy("Medicines before a dose"), (
        Words(("screening", "benzodiazepine_review_lorazepam_mg"), lazy("Benzodiazepines: a prescriber reviews above a daily"), lazy("{0} mg of lorazepam or its like"), "domain 1.4"),
        Words(("screening", "hours_since_taken", "benzodiazepine"), lazy("Benzodiazepines are held, if that is safe, for"), _HOURS, "domain 1.4"),
        Words(("screening", "hours_since_taken", "benzodiazepine_ideal"), lazy("Benzodiazepines are best held for"), _HOURS, "domain 1.4"),
        Words(("screening", "hours_since_taken", "sedative_hypnotic"), lazy("Sleeping tablets: a prescriber decides within"), _HOURS, "domain 1.4"),
        Words(("screening", "hours_since_taken", "opioid_sedated"), lazy("Opioids: no dose if sedated and taken within"), _HOURS, "domain 1.4"),
        Words(("screening", "hours_since_taken", "alcohol_thc"), lazy("Alcohol and cannabis are left off for"), _HOURS, "domain 1.4"),
        Words(("screening", "maoi_bp_every_min"), lazy("With an MAOI, blood pressure in the first hour every"), _MINUTES, "domain 1.4"),
        Words(("screening", "nasal_spray_min"), lazy("Other nasal sprays before an intranasal dose: at least"), _MINUTES, "domain 1.4"),
    )),
    Section(lazy("Risk to life"), (
        Words(("risk", "red_ack_min"), lazy("A red alert is acknowledged within"), _MINUTES, "domain 6.5"),
        Words(("risk", "red_contact_min"), lazy("A red alert: the patient is reached within"), _MINUTES, "domain 6.5"),
        Words(("risk", "orange_hours"), lazy("An orange alert is dealt with within"), _HOURS, "domain 6.5"),
        Words(("risk", "orange_after_hours_min"), lazy("An orange alert after hours is dealt with within"), _MINUTES, "domain 6.5"),
        Words(("risk", "yellow_by"), lazy("A yellow alert after hours is dealt with on the next business day by"), "{0}", "domain 6.5"),
        Words(("risk", "page_again_min"), lazy("Nobody answers a page: the next one is paged after"), _MINUTES, "domain 6.5"),
        Words(("risk", "red_attempts"), lazy("A red alert: the patient is tried"), lazy("{0} times before the emergency contact is called"), "domain 6.5"),
        Words(("risk", "welfare_check_min"), lazy("A red alert: a welfare check is decided on within"), _MINUTES, "domain 6.5"),
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


# Whom a change of a limit touches, by the first word of its path: said beside the change before it is approved.
_TOUCHES: dict[str, str | Promise] = {
    "session": lazy("Dosing sessions that begin from that day on; visits that are booked keep their length."),
    "bp": lazy("Everybody whose blood pressure is taken at a dosing session from that day on."),
    "vitals": lazy("Everybody whose vital signs are taken at a dosing session from that day on."),
    "sedation": lazy("Everybody under effect from that day on."),
    "dose_mg_sl": lazy("Orders and doses from that day on; clearances keep the maximum they name."),
    "dose_mg_kg": lazy("Orders and doses from that day on; clearances keep the maximum they name."),
    "dose_mg_in": lazy("Orders and doses from that day on; clearances keep the maximum they name."),
    "booster": lazy("Boosters from that day on."),
    "consent_valid_days": lazy("Consents signed from that day on; those signed before keep their end."),
    "clearance": lazy("Clearances decided from that day on; those decided before keep their end."),
    "packet": lazy("Packets sent from that day on."),
    "questionnaire": lazy("Questionnaires asked for from that day on."),
    "kiosk": lazy("Codes handed out from that day on."),
    "screening": lazy(
        "Everybody in intake or treatment: flags are worked out anew with each new fact and before each dose."
    ),
    "workup": lazy("Everybody in review from that day on; clearances decided before stand."),
    "weight_max_age_days": lazy("Everybody before their next dose."),
    "fasting_h": lazy("Everybody before their next dose, and what they are told to keep to."),
    "risk": lazy("Alerts raised from that day on, and whoever is on call."),
    "reminders": lazy("Letters that are planned or leave from that day on."),
    "timeouts_min": lazy("Everybody who is signed in, within a minute."),
    "deadlines_h": lazy("Notes that are due from that day on."),
    "dea": lazy("The records of controlled substances."),
    "rems": lazy("Sessions with esketamine from that day on."),
}


def touches(path: Path) -> str:
    """Return whom a change of this limit touches, in a sentence; "" when nobody has said it yet."""
    return str(_TOUCHES.get(path[0], ""))


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
    items = [words.names.get(str(item), item) for item in (value if isinstance(value, list) else [value])]
    if len(items) == shows.count("{"):
        return shows.format(*items)
    if not items:
        return shows.format("—")
    *first, last = (str(item) for item in items)
    listed = _("%(some)s and %(last)s") % {"some": ", ".join(first), "last": last} if first else last
    return shows.format(listed, "")
