"""Plain ``make_x()`` functions: sensible defaults, one row each, straight through the ORM.

The cast of architecture 4.6 is made by ``tests/cast.py`` out of these.
"""

import itertools
import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.hashers import make_password
from psycopg2.extras import DateTimeTZRange

from assessments import definitions, safety
from assessments.models import (
    AskingRule,
    AssessmentRequest,
    AssessmentResponse,
    CareEvent,
    Clearance,
    HealthFact,
    InstrumentWording,
    Packet,
    RiskAlert,
    Score,
    ScreeningFlag,
)
from clinic import policy
from clinic.actions import signatures
from clinic.models import (
    Licence,
    Location,
    Membership,
    OnCall,
    OpeningHours,
    Page,
    PolicyVersion,
    Role,
    Room,
    Signature,
    User,
    WorkingHours,
    new_id,
)
from patients import consenttexts
from patients.models import (
    CareTeamMember,
    Consent,
    ConsentText,
    Contact,
    ContactPreference,
    LifeState,
    Patient,
    Referral,
)
from sessions.models import (
    Appointment,
    Block,
    Merge,
    ReminderPlan,
    ReminderPlanItem,
    ResourceHold,
    VisitRequest,
    VisitType,
)

# A Wednesday in winter, 09:00 in Denver. Tests that care about time freeze it or pass their own.
NOON = datetime(2027, 1, 13, 16, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def make_location(
    name: str = "Denver", time_zone: str = "America/Denver", state: str = "CO", **fields: Any
) -> Location:
    defaults = {
        "alias": "Juniper Street",
        "street": "12 Juniper Street",
        "city": name,
        "postcode": "80203",
        "phone": "(303) 555-0100",
    }
    return Location.objects.create(name=name, time_zone=time_zone, state=state, **{**defaults, **fields})


def make_room(location: Location, name: str = "", kind: str = Room.Kind.CONSULTING, **fields: Any) -> Room:
    return Room.objects.create(location=location, name=name or f"Room {next(_numbers)}", kind=kind, **fields)


def make_user(name: str = "", kind: str = User.Kind.STAFF, **fields: Any) -> User:
    name = name or f"Person {next(_numbers)}"
    email = fields.pop("email", f"{name.split()[0].lower()}.{next(_numbers)}@juniper.example")
    return User.objects.create(
        name=name, kind=kind, email=email, password="!unusable", created_at=NOON - timedelta(days=400), **fields
    )


def make_member(user: User, location: Location, role: Role, **flags: Any) -> Membership:
    return Membership.objects.create(
        user=user, location=location, role=role, started_at=NOON - timedelta(days=400), **flags
    )


def make_policy(
    by: User, values: dict[str, Any] | None = None, number: int = 1, effective_at: datetime | None = None
) -> PolicyVersion:
    at = NOON - timedelta(days=3650)
    return PolicyVersion.objects.create(
        number=number, values=values or policy.FIRST_LIMITS, note="First version", drafted_by=by, drafted_at=at,
        approved_by=by, approved_at=at, effective_at=effective_at or at,
    )  # fmt: skip


def make_signature(
    signer: User, location: Location, purpose: str = Signature.Purpose.CONSENT, **fields: Any
) -> Signature:
    defaults: dict[str, Any] = {
        "role": "",
        "subject_type": "x",
        "subject_id": new_id(),
        "method": Signature.Method.MAILED_CODE if signer.is_patient else Signature.Method.PASSWORD_AND_FACTOR,
        "content_hash": f"{next(_numbers):064x}",
        "signed_at": NOON,
    }
    return Signature.objects.create(signer=signer, location=location, purpose=purpose, **{**defaults, **fields})


# What everybody signs with in tests, once ``make_secrets`` gave it to them.
PASSWORD = "four words nobody guesses"
APP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def make_secrets(*users: User) -> None:
    """Give people a password, an authenticator app and recovery codes, as their own pages do."""
    for user in users:
        user.password = make_password(PASSWORD)
        user.save(update_fields=["password"])
        TOTP.activate(user, APP_SECRET)
        RecoveryCodes.activate(user)


def app_code() -> str:
    """Return the code that everybody's authenticator app shows now."""
    return str(format_hotp_value(hotp_value(APP_SECRET, next(iter(yield_hotp_counters_from_time())))))


def make_licences(user: User, state: str = "CO", expires_on: date = date(2030, 1, 1), **fields: Any) -> list[Licence]:
    """A professional licence and a DEA registration for one state; ``kinds`` names fewer."""
    kinds = fields.pop("kinds", ("professional", "dea"))
    rows = [Licence(user=user, kind=kind, state=state, number=f"{kind}-1", expires_on=expires_on) for kind in kinds]
    return Licence.objects.bulk_create(rows)


def make_opening_hours(location: Location, opens: time = time(8), closes: time = time(18)) -> None:
    OpeningHours.objects.bulk_create(
        OpeningHours(location=location, weekday=day, opens=opens, closes=closes) for day in range(5)
    )


def make_working_hours(user: User, location: Location, starts: time = time(8), ends: time = time(17)) -> None:
    WorkingHours.objects.bulk_create(
        WorkingHours(user=user, location=location, weekday=day, starts=starts, ends=ends, valid_from=date(2020, 1, 1))
        for day in range(5)
    )


def make_patient(location: Location, given_name: str = "", family_name: str = "Example", **fields: Any) -> Patient:
    number = next(_numbers)
    given_name = given_name or f"Person{number}"
    defaults: dict[str, Any] = {
        "mrn": f"T{number:06d}",
        "birth_date": date(1980, 1, 1),
        "email": f"{given_name.lower()}.{number}@post.example",
        "phone": "+13035550123",
        "home_location": location,
        "life_state": LifeState.ACTIVE,
        "life_state_since": NOON - timedelta(days=30),
        "registered_at": NOON - timedelta(days=30),
    }
    return Patient.objects.create(given_name=given_name, family_name=family_name, **{**defaults, **fields})


def make_merge(survivor: Patient, by: User) -> Merge:
    """A record without anything, merged into the survivor."""
    loser = make_patient(survivor.home_location, "Twin", merged_into=survivor)
    return Merge.objects.create(
        survivor=survivor, loser=loser, by=by, at=NOON, reason="One passport.", moved={}, taken={}
    )


def make_contact(patient: Patient, **fields: Any) -> Contact:
    defaults = {"kind": Contact.Kind.ESCORT, "name": "Sam Friend", "relationship": "friend", "phone": "+13035550144"}
    return Contact.objects.create(patient=patient, **{**defaults, **fields})


def make_preference(patient: Patient, by: User, category: str, channel: str, allowed: bool = True) -> ContactPreference:
    return ContactPreference.objects.create(
        patient=patient, category=category, channel=channel, is_allowed=allowed, recorded_by=by,
        evidence=ContactPreference.Evidence.ASKED_AT_DESK, since=NOON - timedelta(days=30),
    )  # fmt: skip


def make_care_team_member(patient: Patient, user: User, is_lead: bool = False) -> CareTeamMember:
    return CareTeamMember.objects.create(
        patient=patient, user=user, is_lead=is_lead, added_by=user, since=NOON - timedelta(days=30)
    )


def make_referral(location: Location, given_name: str = "Nora", **fields: Any) -> Referral:
    defaults: dict[str, Any] = {
        "source": Referral.Source.PUBLIC_PAGE,
        "family_name": "Asker",
        "email": f"nora.{next(_numbers)}@post.example",
        "reach_by": Referral.Reach.EMAIL,
        "received_at": NOON - timedelta(hours=5),
    }
    return Referral.objects.create(location=location, given_name=given_name, **{**defaults, **fields})


def make_consent_text(
    by: User, location: Location, kind: str = "ketamine", route: str | None = None, version: int = 1, **fields: Any
) -> ConsentText:
    """A wording in force for a year, with the words that come with the product. ``published=False`` leaves it a draft."""
    route = ("sl" if kind == "ketamine" else "") if route is None else route
    words = next(w for w in consenttexts.bundled() if (w.kind, w.route) == (kind, route))
    at = fields.pop("effective_at", NOON - timedelta(days=365))
    title, sections = fields.pop("title", words.title), fields.pop("sections", words.sections)
    published: dict[str, Any] = {
        "published_by": by, "published_at": at, "effective_at": at,
        "signature": make_signature(by, location, "consent_text"),
    } if fields.pop("published", True) else {}  # fmt: skip
    return ConsentText.objects.create(
        kind=kind, route=route, version=version, title=title, sections=consenttexts.rows_of(sections),
        text_hash=consenttexts.hash_of(title, sections), why=fields.pop("why", "First wording."), drafted_by=by, drafted_at=at,
        **{**published, **fields},
    )  # fmt: skip


def make_consent(
    patient: Patient, text: ConsentText, signed_at: datetime = NOON - timedelta(days=10), **fields: Any
) -> Consent:
    """A consent to exactly that text, good for a year, as signed on the portal."""
    assert patient.portal_user is not None
    content = consenttexts.to_be_signed(consenttexts.wording_of(text), patient.pk)
    signature = fields.pop("signature", None) or make_signature(
        patient.portal_user, patient.home_location, content_hash=signatures.hash_of(content), signed_at=signed_at
    )
    defaults: dict[str, Any] = {
        "typed_name": f"{patient.given_name} {patient.family_name}", "how": Consent.How.PORTAL, "language": text.language,
        "expires_at": signed_at + timedelta(days=365),
    }  # fmt: skip
    return Consent.objects.create(
        patient=patient, text=text, signature=signature, signed_at=signed_at, **{**defaults, **fields}
    )


def make_visit_type(code: str = "intake", **fields: Any) -> VisitType:
    defaults: dict[str, Any] = {
        "name": "Intake",
        "patient_name": "First visit",
        "minutes": 75,
        "role": Role.PRESCRIBER,
        "room_kind": Room.Kind.CONSULTING,
    }
    return VisitType.objects.create(code=code, **{**defaults, **fields})


def make_reminder_plan(code: str = "intake") -> ReminderPlan:
    """The default plan of domain.md 7: a confirmation, then 7 days, 72 hours and 24 hours before, by e-mail."""
    plan = ReminderPlan.objects.create(visit_type_code=code)
    start, booking = ReminderPlanItem.Anchor.START, ReminderPlanItem.Anchor.BOOKING
    ReminderPlanItem.objects.bulk_create(
        ReminderPlanItem(
            plan=plan, kind=kind, channel="email", anchor=anchor, days_before=days, useless_minutes_before=useless
        )
        for kind, anchor, days, useless in (
            ("visit_confirmation", booking, 0, 0),
            ("visit_in_a_week", start, 7, 4 * 1440),
            ("visit_in_three_days", start, 3, 36 * 60),
            ("visit_tomorrow", start, 1, 120),
        )
    )
    return plan


def make_appointment(
    patient: Patient, visit_type: VisitType, clinician: User, starts_at: datetime = NOON, **fields: Any
) -> Appointment:
    """A booked visit with its block and holds, as the booking action leaves them."""
    ends_at = starts_at + visit_type.duration
    defaults: dict[str, Any] = {
        "location": patient.home_location,
        "room": None,
        "status": Appointment.Status.BOOKED,
        "booked_by": clinician,
        "booked_at": starts_at - timedelta(days=10),
    }
    values = {**defaults, **fields}
    appointment = Appointment.objects.create(
        patient=patient, visit_type=visit_type, clinician=clinician, starts_at=starts_at, ends_at=ends_at, **values
    )
    Block.objects.create(
        appointment=appointment,
        kind=Block.Kind.WHOLE,
        position=1,
        person=clinician,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    held = [
        (ResourceHold.Kind.PERSON, clinician.pk, ends_at),
        (ResourceHold.Kind.PATIENT, patient.pk, ends_at),
    ]
    if appointment.room_id:
        held.append((ResourceHold.Kind.ROOM, appointment.room_id, ends_at + visit_type.room_tail))
    live = appointment.status in Appointment.LIVE
    ResourceHold.objects.bulk_create(
        ResourceHold(
            appointment=appointment,
            kind=kind,
            resource_id=resource,
            during=DateTimeTZRange(starts_at, end),
            is_live=live,
        )
        for kind, resource, end in held
    )
    return appointment


def make_flag(patient: Patient, code: str = "MED-BENZO", severity: str = "override", **fields: Any) -> ScreeningFlag:
    """A flag as rescreening leaves it. Without a ``trigger`` it is a question."""
    trigger = fields.get("trigger", f"medication:{next(_numbers)}")
    defaults: dict[str, Any] = {
        "key": f"{code} found {trigger}",
        "rule_version": 1,
        "rule_set_version": "1",
        "medicines_version": "1",
        "policy": PolicyVersion.objects.first(),
        "finding": ScreeningFlag.Finding.FOUND,
        "binds": "clearance",
        "trigger": trigger,
        "data": {},
        "raised_at": NOON - timedelta(days=1),
    }
    return ScreeningFlag.objects.create(patient=patient, code=code, severity=severity, **{**defaults, **fields})


def make_clearance(patient: Patient, status: str = "clinician_review", **fields: Any) -> Clearance:
    """A clearance in some state. A cleared one names a route, mg, sessions, an end, and a prescriber (``by``) who signed it."""
    by: User = fields.pop("by", None) or User.objects.staff().order_by("email")[0]
    at = NOON - timedelta(days=2)
    defaults: dict[str, Any] = {"since": at, "opened_at": at, "opened_by": by}
    if status in (*Clearance.CLEARED, Clearance.Status.SUSPENDED):
        signature = Signature.objects.create(
            signer=by, role=Role.PRESCRIBER, location=patient.home_location, purpose=Signature.Purpose.CLEARANCE,
            subject_type="clearance", subject_id=patient.pk, method=Signature.Method.PASSWORD_AND_FACTOR,
            content_hash=f"{next(_numbers):064x}", signed_at=at,
        )  # fmt: skip
        defaults |= {
            "route": "sl", "max_mg": 200, "max_sessions": 6, "expires_on": (NOON + timedelta(days=60)).date(),
            "decided_by": by, "decided_at": at, "signature": signature,
        }  # fmt: skip
    if status == Clearance.Status.CLEARED_WITH_CONDITIONS:
        defaults["conditions"] = "Blood pressure before every dose."
    if status == Clearance.Status.DEFERRED:
        defaults["expires_on"] = (NOON + timedelta(days=30)).date()
    return Clearance.objects.create(patient=patient, status=status, **{**defaults, **fields})


def make_request(patient: Patient, code: str = "phq-9", **fields: Any) -> AssessmentRequest:
    """An instrument that the patient may answer from an hour ago, due in two days, for a week."""
    defaults: dict[str, Any] = {
        "asked_at": NOON - timedelta(hours=1),
        "opens_at": NOON - timedelta(hours=1),
        "due_at": NOON + timedelta(days=2),
        "expires_at": NOON + timedelta(days=7),
    }
    return AssessmentRequest.objects.create(patient=patient, code=code, **{**defaults, **fields})


def make_response(
    patient: Patient,
    by: User,
    code: str = "phq-9",
    answers: dict[str, int] | None = None,
    at: datetime | None = None,
    **fields: Any,
) -> AssessmentResponse:
    """Return answers with their score, as handed in at ``at``: every item 1 unless told."""
    definition = definitions.current(code)
    given = {item.id: 1 for item in definition.scored_items} if answers is None else answers
    when = at or NOON
    response = AssessmentResponse.objects.create(
        patient=patient, code=code, version=definition.version, language=definition.language,
        checksum=definition.checksum, mode=fields.pop("mode", "portal"), answers=given, submission_key=uuid.uuid4(),
        answered_at=when, received_at=fields.pop("received_at", when), entered_by=by, **fields,
    )  # fmt: skip
    if not response.is_retraction:
        found = safety.assess(definition, given)
        score = found.score
        Score.objects.create(
            response=response, scorer_id=definition.scorer[0], scorer_version=definition.scorer[1],
            total=score.total if score else None, reason=str(score.reason or "") if score else "",
            band=score.band.id if score and score.band else "", category=score.category.id if score and score.category else "",
            is_complete=bool(score and score.is_complete), is_prorated=bool(score and score.prorated),
            failure=found.failure, data=score.as_data() if score else {}, scored_at=when,
        )  # fmt: skip
    return response


def make_health_fact(
    model: type[HealthFact],
    patient: Patient,
    by: User,
    at: datetime = NOON - timedelta(days=1),
    save: bool = True,
    **fields: Any,
) -> Any:
    """A health fact of some table, as a clinician recorded it at the moment at which it held."""
    defaults: dict[str, Any] = {"recorded_at": at, "recorded_by": by, "source": "clinician"}
    row = model(patient=patient, at=at, **{**defaults, **fields})
    if save:
        row.save(force_insert=True)
    return row


def make_duty(
    location: Location, user: User, tier: str = "first", start: datetime = NOON, hours: int = 24, **fields: Any
) -> OnCall:
    """Somebody on call, from ``start`` on."""
    return OnCall.objects.create(
        location=location, user=user, tier=tier, during=DateTimeTZRange(start, start + timedelta(hours=hours)),
        entered_by=user, entered_at=start, **fields,
    )  # fmt: skip


def make_page(location: Location, urgency: str = "red", **fields: Any) -> Page:
    """A page that is due now, about nothing in particular."""
    values: dict[str, Any] = {
        "subject_type": "riskalert", "subject_id": new_id(), "opened_at": NOON, "next_at": NOON, **fields,
    }  # fmt: skip
    return Page.objects.create(location=location, urgency=urgency, **values)


def make_alert(patient: Patient, tier: str = "red", **fields: Any) -> RiskAlert:
    """An open alert without its page and its work; ``assessments.actions.alerts.raise_from`` makes all three."""
    values: dict[str, Any] = {
        "location": patient.home_location,
        "signals": [{"tier": tier, "trigger": "item9", "item": "9", "value": 3}],
        "raised_at": NOON,
        "contact_by": NOON + timedelta(minutes=30),
        **fields,
    }
    return RiskAlert.objects.create(patient=patient, tier=tier, **values)


def make_rule(by: User, code: str = "phq-9", event: str = "dose_given", **fields: Any) -> AskingRule:
    """A line of what is asked when: a week after a dose, due in two days and open for five."""
    defaults: dict[str, Any] = {
        "offset_hours": 168, "due_within_hours": 48, "open_for_hours": 120, "started_by": by,
        "started_at": NOON - timedelta(days=365),
    }  # fmt: skip
    return AskingRule.objects.create(code=code, event=event, **{**defaults, **fields})


def make_event(patient: Patient, kind: str = "dose_given", at: datetime = NOON, **fields: Any) -> CareEvent:
    """Something in a patient's care from which questions are reckoned."""
    defaults: dict[str, Any] = {"subject_type": "dosingsession", "subject_id": new_id(), "recorded_at": at}
    return CareEvent.objects.create(patient=patient, kind=kind, at=at, **{**defaults, **fields})


def make_wording(by: User, code: str = "ptq", **fields: Any) -> InstrumentWording:
    """The complete wording of an instrument under a permission: "Words of 1" with the answers "Label 0" and so on."""
    definition = definitions.current(code)
    items: dict[str, Any] = {
        item.id: {"text": f"Words of {item.number}"}
        | ({"labels": [f"Label {option.value}" for option in item.options]} if item.kind == "choice" else {})
        for item in definition.items
    }
    defaults: dict[str, Any] = {
        "version": definition.version, "language": definition.language, "holder": "The author", "document": "Folder 7",
        "wording": {"instructions": "Words at the top", "stem": "", "items": items}, "granted_on": NOON.date(),
        "recorded_by": by, "recorded_at": NOON,
    }  # fmt: skip
    return InstrumentWording.objects.create(code=code, **{**defaults, **fields})


def make_packet(patient: Patient, by: User, **fields: Any) -> Packet:
    """A packet that was sent yesterday and is good for a month; nothing is asked with it and nothing is typed."""
    sent = NOON - timedelta(days=1)
    defaults: dict[str, Any] = {"invited_by": by, "invited_at": sent, "expires_at": NOON + timedelta(days=29)}
    if fields.get("status", Packet.Status.INVITED) == Packet.Status.IN_PROGRESS:
        defaults["begun_at"] = sent
    return Packet.objects.create(patient=patient, **{**defaults, **fields})


def make_visit_request(patient: Patient, by: User, code: str = "follow_up", **fields: Any) -> VisitRequest:
    """A visit that a patient asked for, with nobody's answer yet."""
    values = {"location": patient.home_location, "visit_type_code": code, "asked_by": by, "asked_at": NOON, **fields}
    return VisitRequest.objects.create(patient=patient, **values)
