"""The kinds of visit a clinic begins with, as data: domain.md 8.2 and 3.1. A clinic publishes versions of its own on top.

Minutes count from the start of the visit. Each row is what ``sessions.actions.visittypes.publish`` takes, by its own names.
"""

from typing import Any

from clinic.models import Device, Role, Room

BRING = "A photo ID, a list of what you take, and anything you would like us to read."
BRING_DOSE = "Somebody who takes you home, comfortable clothes, and what you wrote down for yourself."

# Who is there in a dosing visit, and when. The dose is given at minute 30. The prescriber sees the patient before it and is at hand at
# the dose, then in the house for at most four visits at once; a monitor watches one patient for the hour after the dose, and whoever
# watches from then on, the same person where they can, has at most two. A visit that takes longer keeps its monitor.
DOSING_SEATS: list[dict[str, Any]] = [
    {"duty": "therapist", "roles": ["therapist"], "stretches": [{}]},
    {
        "duty": "prescriber",
        "roles": ["prescriber"],
        "stretches": [
            {"starts": 15, "ends": 45, "load": "sole"},
            {"starts": 15, "ends": 150, "load": "on_site", "most": 4, "overruns": True},
        ],
    },
    {
        "duty": "monitor",
        "roles": ["monitor", "nurse"],
        "stretches": [{"starts": 30, "ends": 90, "load": "sole"}],
    },
    {
        "duty": "watch",
        "roles": ["monitor", "nurse"],
        "stretches": [{"starts": 90, "ends": 150, "load": "shared", "most": 2, "overruns": True}],
    },
]
DOSING_PARTS: list[dict[str, Any]] = [
    {"kind": "preparation", "minutes": 30},
    {"kind": "dosing", "minutes": 75},
    {"kind": "integration", "minutes": 45},
]
DOSING: dict[str, Any] = {
    "minutes": 150, "role": Role.THERAPIST, "room_kind": Room.Kind.DOSING, "overrun_minutes": 30, "turnover_minutes": 15,
    "closing_margin_minutes": 60, "no_show_after_minutes": 20, "notice_hours": 48, "is_dosing": True,
    "phone_within_hours": 48, "parts": DOSING_PARTS, "seats": DOSING_SEATS,
    "devices": [{"kind": Device.Kind.VITALS_MONITOR.value, "starts": 15, "ends": 150, "overruns": True}],
    "what_to_bring": BRING_DOSE,
}  # fmt: skip
CONSULTING = Room.Kind.CONSULTING
FIRST_KINDS: list[dict[str, Any]] = [
    {"code": "screening_call", "name": "Screening call", "patient_name": "First call", "minutes": 20,
     "role": Role.NURSE, "is_remote": True},
    {"code": "intake", "name": "Intake", "patient_name": "First visit", "minutes": 75, "role": Role.PRESCRIBER,
     "room_kind": CONSULTING, "turnover_minutes": 15, "what_to_bring": BRING},
    {"code": "preparation", "name": "Preparation", "patient_name": "Preparation", "minutes": 60, "role": Role.THERAPIST,
     "room_kind": CONSULTING},
    {"code": "dosing", "name": "Dosing", "patient_name": "Session", **DOSING},
    {"code": "integration", "name": "Integration", "patient_name": "Talk after your session", "minutes": 60,
     "role": Role.THERAPIST, "room_kind": CONSULTING},
    {"code": "follow_up", "name": "Follow-up", "patient_name": "Follow-up", "minutes": 30, "role": Role.PRESCRIBER,
     "room_kind": CONSULTING},
    {"code": "esketamine", "name": "Esketamine", "patient_name": "Session", **DOSING, "bookers": "clinicians"},
    {"code": "preparation_remote", "name": "Preparation by video", "patient_name": "Preparation by video", "minutes": 60,
     "role": Role.THERAPIST, "is_remote": True},
    {"code": "integration_remote", "name": "Integration by video", "patient_name": "Talk by video", "minutes": 60,
     "role": Role.THERAPIST, "is_remote": True},
    {"code": "follow_up_remote", "name": "Follow-up by video", "patient_name": "Follow-up by video", "minutes": 30,
     "role": Role.PRESCRIBER, "is_remote": True},
]  # fmt: skip
