"""The records that the access matrix puts into paths: all Denver's, and Pat's where they are a patient's.

A new URL with an argument adds its record here; a new rule about who of those who hold a permission still may not open
the record adds it to ``strangers_to``, with the reason.
"""

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession

from assessments.models import Medication
from clinic import tokens
from clinic.access import CARE_TEAM_PERMISSIONS, Permission
from clinic.actions import outbox, worklist
from clinic.checks import every_url, policy_of
from clinic.models import (
    Closure,
    Device,
    EnrolledDevice,
    Membership,
    OutboundMessage,
    PolicyVersion,
    Role,
    StaffInvitation,
    TimeOff,
    WorkItem,
    new_id,
)
from clinic.policy import FIRST_LIMITS
from patients.models import AddressChange, BreakGlass, CareTeamMember
from sessions.models import CalendarFeed, ChangeRequest, WaitlistEntry, WaitlistOffer

from . import factories as make
from .assessments.packets import packet_of
from .cast import Cast

# Arguments that name no record of anybody's.
# What instruments are, and when they are asked, is the house's: whoever holds the permission anywhere opens it.
NOT_RECORDS = {"day", "token", "uidb36", "key", "feed_key", "code", "rule_id", "policy_id", "text_id", "part", "table"}
FEED_KEY = "d" * 43
ALERT_PAGES = {
    "assessments:alert", "assessments:record_contact", "assessments:dispose_alert", "assessments:chart_alerts",
    "assessments:write_safety_plan",
}  # fmt: skip


def make_all(cast: Cast) -> dict[str, Any]:
    """Make one record for each argument of a path and return their ids by argument."""
    now = make.NOON
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, now + timedelta(days=3), room=cast.room)
    item = worklist.open_item(
        by=cast.frida, kind=WorkItem.Kind.CALL_PATIENT, location=cast.denver, owner_role=Role.FRONT_DESK,
        subject_type="patient", subject_id=cast.pat.pk, patient_id=cast.pat.pk, due_at=now, now=now,
    )  # fmt: skip
    message = OutboundMessage.objects.create(
        kind="visit_tomorrow", category="visit", channel="email", recipient_kind="patient", recipient_id=cast.pat.pk,
        address=cast.pat.email, time_zone="America/Denver", location_id=cast.denver.pk, subject_type="appointment",
        subject_id=visit.pk, status="unknown", reason=outbox.Reason.WORKER_LOST, queued_at=now, not_before=now,
        useful_until=now, settled_at=now,
    )  # fmt: skip
    waits = WaitlistEntry.objects.create(
        patient=cast.pat, location=cast.denver, visit_type_code="intake", first_day=now.date(),
        last_day=(now + timedelta(days=60)).date(), made_by=cast.pat_user, made_at=now,
    )  # fmt: skip
    kept = make.make_appointment(
        cast.pat, cast.intake, cast.dana, now + timedelta(days=4), room=cast.room, status="held",
        held_until=now + timedelta(minutes=30),
    )  # fmt: skip
    offer = WaitlistOffer.objects.create(
        entry=waits, appointment=kept, offered_by=cast.frida, offered_at=now, expires_at=now + timedelta(minutes=30)
    )
    wish = ChangeRequest.objects.create(appointment=visit, wish="change", asked_by=cast.pat_user, asked_at=now)
    address = AddressChange.objects.create(patient=cast.pat, asked_at=now, email="new@post.example")
    grant = BreakGlass.objects.create(
        patient=cast.quinn, user=cast.nils, reason="emergency", reason_text="x", started_at=now - timedelta(hours=5),
        expires_at=now - timedelta(hours=3),
    )  # fmt: skip
    invitation = StaffInvitation.objects.create(
        email="new@juniper.example", name="New", location=cast.denver, role=Role.NURSE, token_hash="x" * 64,
        invited_by=cast.ada, invited_at=now, expires_at=now + timedelta(days=7),
    )  # fmt: skip
    off = TimeOff.objects.create(
        user=cast.tess, during=(now + timedelta(days=20), now + timedelta(days=21)), reason="holiday", entered_by=cast.ada,
        entered_at=now,
    )  # fmt: skip
    closure = Closure.objects.create(
        location=cast.denver, name="Holiday", during=(now + timedelta(days=30), now + timedelta(days=31)),
        entered_by=cast.ada, entered_at=now,
    )  # fmt: skip
    tablet = EnrolledDevice.objects.create(
        location=cast.denver, kind="kiosk", name="Desk", credential_hash="y" * 64, enrolled_by=cast.ada, enrolled_at=now
    )
    monitor = Device.objects.create(location=cast.denver, name="Monitor 1", kind=Device.Kind.VITALS_MONITOR)
    factor = Authenticator.objects.create(user=cast.frida, type="totp", data={})
    session = UserSession.objects.create(
        user=cast.frida, session_key="k" * 32, ip="127.0.0.1", user_agent="x", last_seen_at=now, created_at=now
    )
    draft = PolicyVersion.objects.create(
        number=2, values={**FIRST_LIMITS, "consent_valid_days": 300}, note="Sooner", drafted_by=cast.ada, drafted_at=now
    )
    wording = make.make_consent_text(cast.dana, cast.denver)
    make.make_wording(cast.ada, "ptq")
    alert = make.make_alert(cast.pat, "orange")
    CalendarFeed.objects.create(user=cast.dana, key_hash=tokens.hash_of(FEED_KEY), epoch=0, made_at=now)
    return {
        "patient_id": cast.pat.pk,
        "alert_id": alert.pk,
        "page_id": make.make_page(cast.denver, "orange", subject_id=alert.pk, patient_id=cast.pat.pk).pk,
        "duty_id": make.make_duty(cast.denver, cast.nils, "first", now + timedelta(days=10)).pk,
        "text_id": wording.pk,
        "consent_id": make.make_consent(cast.pat, wording).pk,
        "referral_id": cast.rosa.pk,
        "contact_id": make.make_contact(cast.pat).pk,
        "wish_id": address.pk,
        "member_id": CareTeamMember.objects.get(patient=cast.pat, user=cast.nina).pk,
        "grant_id": grant.pk,
        "appointment_id": visit.pk,
        "change_request_id": wish.pk,
        "visit_request_id": make.make_visit_request(cast.pat, cast.pat_user).pk,
        "waitlist_entry_id": waits.pk,
        "waitlist_offer_id": offer.pk,
        "item_id": item.pk,
        "message_id": message.pk,
        "person_id": cast.felix.pk,
        "membership_id": Membership.objects.get(user=cast.felix).pk,
        "invitation_id": invitation.pk,
        "room_id": cast.room.pk,
        "location_id": cast.denver.pk,
        "device_id": tablet.pk,
        "equipment_id": monitor.pk,
        "time_off_id": off.pk,
        "closure_id": closure.pk,
        "session_id": session.pk,
        "pk": factor.pk,
        "packet_id": packet_of(cast.pat, cast.frida).pk,
        "part": "medicines",
        "clearance_id": make.make_clearance(cast.pat).pk,
        "request_id": make.make_request(cast.pat).pk,
        "response_id": make.make_response(cast.pat, cast.pat_user).pk,
        "rule_id": make.make_rule(cast.ada).pk,
        "table": "medication",
        "fact_id": make.make_health_fact(Medication, cast.pat, cast.nina, text="sertraline", taking="current").pk,
        "code": "ptq",
        "day": now.date(),
        "policy_id": draft.pk,
        "merge_id": make.make_merge(cast.pat, cast.ada).pk,
        "token": str(new_id()),
        "uidb36": "1",
        "key": "set-password",
        "feed_key": FEED_KEY,
    }


def permission_of(name: str) -> Permission | None:
    """Return the permission that a URL asks for."""
    return next((policy.permission for each, url in every_url() if each == name and (policy := policy_of(url))), None)


def strangers_to(name: str) -> set[str]:
    """Return who of those who hold the permission at the location are strangers to the record all the same."""
    if name == "clinic:close_work_item":
        # An item of the desk's is the desk's: other roles do not see it on their lists either.
        return {"ada", "dana", "theo", "tess", "tara", "nina", "nils", "milo", "petra"}
    if name == "sessions:say_called":
        # Managers see the calls; they are the desk's to make.
        return {"ada"}
    if name in {"clinic:page", "clinic:acknowledge_page"}:
        # A call is for those who were called, who answer alarms there, and for the managers of its rota.
        return {"frida", "felix", "milo", "petra"}
    if name in ALERT_PAGES:
        # Pat's care team answers (Dana directs the place besides). Nobody else is on call or was called.
        return {"tess", "tara", "nils"}
    if permission_of(name) in CARE_TEAM_PERMISSIONS:
        # The chart follows Pat's care team (Theo, Dana, Nina); the others have no emergency grant.
        return {"tess", "tara", "nils", "milo", "petra"}
    return set()
