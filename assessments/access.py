"""The doors of this floor. Whoever may not open a record is told that there is nothing here."""

import uuid

from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404

from assessments.models import (
    AskingRule,
    AssessmentRequest,
    AssessmentResponse,
    Clearance,
    HealthFact,
    Packet,
    RiskAlert,
)
from clinic import audit
from clinic.access import Permission, locations_where
from clinic.homelocation import PatientBehind, remember_patient_behind
from clinic.http import PortalRequest, StaffRequest
from patients.access import my_patient
from patients.models import Patient


def get_response_or_404(
    request: StaffRequest, response_id: uuid.UUID, permission: Permission = Permission.QUESTIONNAIRE_READ
) -> AssessmentResponse:
    """Return the answers, with their patient, if this person holds ``permission`` on the patient; else 404."""
    rows = AssessmentResponse.objects.visible_to(request.user, permission, request.now)
    response = get_object_or_404(
        rows.select_related("patient__home_location", "entered_by", "rater", "request"), pk=response_id
    )
    audit.looked_at(request, response, now=request.now)
    return response


def get_request_or_404(request: StaffRequest, request_id: uuid.UUID, permission: Permission) -> AssessmentRequest:
    """Return what a patient is asked, with the patient, if this person holds ``permission`` on the patient; else 404."""
    rows = AssessmentRequest.objects.visible_to(request.user, permission, request.now)
    asked = get_object_or_404(rows.select_related("patient__home_location"), pk=request_id)
    audit.looked_at(request, asked, now=request.now)
    return asked


def get_asking_rule_or_404(request: StaffRequest, rule_id: uuid.UUID) -> AskingRule:
    """Return a line of what is asked when: the house's, for whoever looks after its instruments anywhere; else 404."""
    lines = (
        AskingRule.objects.all()
        if locations_where(request.user, Permission.INSTRUMENT_MANAGE)
        else AskingRule.objects.none()
    )
    return get_object_or_404(lines, pk=rule_id)


def my_packet(request: PortalRequest) -> Packet | None:
    """Return the newest packet of the patient behind this sign-in, out or over; None when there never was one."""
    rows = Packet.objects.filter(patient__portal_user=request.user).select_related("patient__home_location")
    packet = rows.order_by("-invited_at", "-id").first()
    if packet is None:
        # Nothing for them here, or nobody behind this sign-in: that door knows.
        my_patient(request)
        return None
    remember_patient_behind(request.user, PatientBehind(packet.patient_id, packet.patient.home_location))
    return packet


def my_packet_or_404(request: PortalRequest) -> Packet:
    """Return the newest packet of the patient behind this sign-in; 404 when there never was one."""
    packet = my_packet(request)
    if packet is None:
        raise Http404
    return packet


def get_packet_or_404(request: StaffRequest, packet_id: uuid.UUID, permission: Permission) -> Packet:
    """Return the packet, with its patient, if this person holds ``permission`` on the patient; else 404."""
    packets = Packet.objects.visible_to(request.user, permission, request.now)
    packet = get_object_or_404(packets.select_related("patient__home_location"), pk=packet_id)
    audit.looked_at(request, packet, now=request.now)
    return packet


def get_alert_or_404(
    request: StaffRequest, alert_id: uuid.UUID, permission: Permission = Permission.ALERT_READ
) -> RiskAlert:
    """Return the alert, with its patient, if it is this person's to read or to answer; else 404."""
    rows = RiskAlert.objects.visible_to(request.user, permission, request.now)
    alert = get_object_or_404(rows.select_related("patient__home_location", "location", "response"), pk=alert_id)
    audit.looked_at(request, alert, now=request.now)
    return alert


def get_patient_at_risk_or_404(request: StaffRequest, patient_id: uuid.UUID, permission: Permission) -> Patient:
    """Return the patient whose chart, or one of whose alerts, is open to this person; else 404."""
    charts = Patient.objects.visible_to(request.user, Permission.CHART_READ, request.now)
    alerts = RiskAlert.objects.visible_to(request.user, Permission.ALERT_READ, request.now)
    here = Patient.objects.filter(home_location_id__in=locations_where(request.user, permission))
    rows = here.filter(Q(pk__in=charts.values("pk")) | Q(pk__in=alerts.values("patient_id")))
    patient = get_object_or_404(rows.select_related("home_location"), pk=patient_id)
    audit.looked_at(request, patient, now=request.now)
    return patient


def get_my_request_or_404(request: PortalRequest, request_id: uuid.UUID) -> AssessmentRequest:
    """Return what the patient behind this sign-in is asked, with the patient; else 404. Their own reading is not audited."""
    rows = AssessmentRequest.objects.filter(patient__portal_user=request.user)
    asked = get_object_or_404(rows.select_related("patient__home_location"), pk=request_id)
    remember_patient_behind(request.user, PatientBehind(asked.patient_id, asked.patient.home_location))
    return asked


def get_clearance_or_404(request: StaffRequest, clearance_id: uuid.UUID, permission: Permission) -> Clearance:
    """Return the clearance, with the patient, if this person holds ``permission`` on the patient; else 404."""
    rows = Clearance.objects.visible_to(request.user, permission, request.now)
    clearance = get_object_or_404(rows.select_related("patient__home_location"), pk=clearance_id)
    audit.looked_at(request, clearance.patient, now=request.now)
    return clearance


def get_health_fact_or_404(request: StaffRequest, table: str, fact_id: uuid.UUID, permission: Permission) -> HealthFact:
    """Return the entry of a table of health facts, with its patient, if this person holds ``permission`` on the patient; else 404."""
    models = {str(model._meta.model_name): model for model in HealthFact.__subclasses__()}
    if table not in models:
        raise Http404
    patients = Patient.objects.visible_to(request.user, permission, request.now)
    rows = models[table]._default_manager.filter(patient__in=patients)
    fact = get_object_or_404(rows.select_related("patient__home_location", "recorded_by"), pk=fact_id)
    audit.looked_at(request, fact.patient, now=request.now)
    return fact
