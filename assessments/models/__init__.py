"""The things of this floor."""

from .alerts import ContactAttempt, Disposition, RiskAlert, SafetyPlan
from .clearances import Clearance, ClearanceMove, Screening, ScreeningFlag
from .health import (
    Allergy,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    Source,
    TreatmentTrial,
)
from .instruments import AskingRule, CareEventKind, InstrumentWording
from .packets import Packet, PacketSection
from .requests import AnswerLink, AssessmentRequest, CareEvent, KioskPass
from .responses import AssessmentResponse, Score

__all__ = [
    "Allergy",
    "AnswerLink",
    "AskingRule",
    "AssessmentRequest",
    "AssessmentResponse",
    "CareEvent",
    "CareEventKind",
    "Clearance",
    "ClearanceMove",
    "Condition",
    "ContactAttempt",
    "Diagnosis",
    "Disposition",
    "FamilyHistory",
    "HealthFact",
    "HealthStatement",
    "InstrumentWording",
    "KioskPass",
    "Measurement",
    "Medication",
    "Packet",
    "PacketSection",
    "RiskAlert",
    "SafetyPlan",
    "Score",
    "Screening",
    "ScreeningFlag",
    "Source",
    "TreatmentTrial",
]
