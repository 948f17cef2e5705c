"""Every page there is: who opens it, what its question is when it is refused, and the records it is about.

The query counts, axe and ``script/shots`` walk this one list. ``test_query_counts.py`` holds it against every URL of the
project, so a new page without a line here fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.urls import URLPattern, reverse
from django.urls.resolvers import RegexPattern

from assessments.models import (
    Allergy,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthStatement,
    Measurement,
    Medication,
    SafetyPlan,
    TreatmentTrial,
)
from clinic import audit
from clinic.actions import worklist
from clinic.checks import every_url, policy_of
from clinic.models import (
    Category,
    Channel,
    Closure,
    Device,
    EnrolledDevice,
    Licence,
    OutboundMessage,
    PageCall,
    Role,
    Room,
    StaffInvitation,
    TimeOff,
    User,
    WorkItem,
    new_id,
)
from patients.models import BreakGlass, ContactPreference, LifeState, Patient, PortalInvitation, Referral
from sessions import visitkinds
from sessions.actions import visittypes
from sessions.models import Appointment, ChangeRequest, Course, Reminder, VisitType

from . import factories as make
from .assessments.packets import fill as fill_packet
from .cast import Cast

ROWS = 30
# As long as the columns allow, in words that a line can be broken between and in one that it cannot.
LONG = "Wilhelmina-Alexandrina Bartholomew-Featherstonehaugh "
UNBROKEN = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellsch"


@dataclass(frozen=True)
class Look:
    """How one page is opened: by whom (a name of the cast, or nobody), with which query strings, and refused how.

    ``queries`` are the page's tabs and filters; ids go into braces by the names of matrix_records. ``refused`` is a form
    that the page answers with 422, or None where it takes none. ``not_a_page`` says what it answers instead of HTML.
    ``way_in`` names how a browser gets there when the address alone is not enough.
    """

    who: str = ""
    queries: tuple[str, ...] = ("",)
    refused: Mapping[str, str] | None = None
    not_a_page: str = ""
    way_in: str = ""
    # What a form is shown for instead of the record of matrix_records, by argument.
    instead: Mapping[str, str] = field(default_factory=dict)


_EMPTY: Mapping[str, str] = {}

LOOKS: dict[str, Look] = {
    # The ground floor.
    "clinic:home": Look(not_a_page="a redirect to one's own first page"),
    "clinic:help_now": Look(),
    "clinic:healthz": Look(not_a_page="JSON for load balancers"),
    "clinic:join(token)": Look(refused=_EMPTY),
    "clinic:my_sessions": Look("frida"),
    "clinic:kept_form": Look("frida"),
    "clinic:mail_signing_code": Look("pat_user"),
    "clinic:still_here": Look("frida", not_a_page="JSON: the seconds that are left"),
    "clinic:time_left": Look("frida", not_a_page="JSON: the seconds that are left"),
    "clinic:messages": Look("frida", ("", "?show=waiting", "?show=sent", "?show=not_sent")),
    "clinic:worklist": Look("frida", ("", "?kind=call_patient", "?whose=mine")),
    "clinic:close_work_item(item_id)": Look("frida", refused=_EMPTY),
    "clinic:page(page_id)": Look("theo"),
    "clinic:rota": Look("ada", ("", "?week=2027-01-18")),
    "clinic:enter_duty(location_id)": Look("ada", refused=_EMPTY),
    "clinic:office": Look("ada"),
    "clinic:people": Look("ada"),
    "clinic:invite_person": Look("ada", refused=_EMPTY),
    "clinic:add_colleague": Look("ada", refused=_EMPTY),
    "clinic:person(person_id)": Look("ada"),
    "clinic:edit_person(person_id)": Look("ada", refused={"name": ""}),
    "clinic:start_membership(person_id)": Look("ada", refused=_EMPTY),
    "clinic:record_licence(person_id)": Look("ada", refused=_EMPTY),
    "clinic:reset_second_factor(person_id)": Look("ada", refused=_EMPTY),
    "clinic:leave_person(person_id)": Look("ada"),
    "clinic:change_membership(membership_id)": Look("ada"),
    "clinic:end_membership(membership_id)": Look("ada"),
    "clinic:rooms": Look("ada"),
    "clinic:add_location": Look("ada", refused=_EMPTY),
    "clinic:edit_location(location_id)": Look("ada", refused={"name": ""}),
    "clinic:add_room(location_id)": Look("ada", refused=_EMPTY),
    "clinic:edit_room(room_id)": Look("ada", refused={"name": ""}),
    "clinic:add_equipment(location_id)": Look("ada", refused=_EMPTY),
    "clinic:edit_equipment(equipment_id)": Look("ada", refused={"name": ""}),
    "clinic:hours": Look("ada"),
    "clinic:set_opening_hours(location_id)": Look("ada", refused={"opens_0": "18:00", "closes_0": "08:00"}),
    "clinic:set_working_hours(location_id,person_id)": Look("ada", refused={"valid_from": ""}),
    "clinic:enter_closure(location_id)": Look("ada", refused=_EMPTY),
    "clinic:enter_time_off(location_id)": Look("ada", refused=_EMPTY),
    "clinic:devices": Look("ada"),
    "clinic:enroll_device(location_id)": Look("ada", refused=_EMPTY),
    "clinic:audit_log": Look("petra", ("", "?patient={patient_number}")),
    "clinic:policy": Look("ada"),
    "clinic:policy_version(policy_id)": Look("ada"),
    "clinic:draft_policy": Look("ada", refused={"note": ""}),
    "clinic:approve_policy": Look("dana", refused={"effective_on": ""}),
    # The patients' floor.
    "patients:welcome": Look(),
    "patients:enquire": Look(refused=_EMPTY),
    "patients:enquiry_sent": Look(),
    "patients:joined": Look(way_in="joined"),
    "patients:join_portal(token)": Look(refused=_EMPTY),
    "patients:referrals": Look("frida", ("", "?state=accepted", "?state=booked", "?state=declined", "?state=closed")),
    "patients:enter_referral": Look("frida", refused=_EMPTY),
    "patients:referral(referral_id)": Look("frida"),
    "patients:decline_referral(referral_id)": Look("frida", refused=_EMPTY),
    "patients:unlink_referral(referral_id)": Look("frida", refused=_EMPTY),
    "patients:patients": Look("frida", ("", "?q=pat", "?q=zzzz", "?q=1980-01-01")),
    "patients:register_patient": Look("frida", ("", "?referral={referral_id}"), refused=_EMPTY),
    "patients:patient(patient_id)": Look("frida"),
    "patients:edit_patient(patient_id)": Look("frida", refused={"given_name": ""}),
    "patients:patient_history(patient_id)": Look("frida"),
    "patients:change_life_state(patient_id)": Look("frida", refused=_EMPTY),
    "patients:suspend_portal(patient_id)": Look("frida", refused=_EMPTY),
    "patients:preferences(patient_id)": Look("frida", refused=_EMPTY),
    "patients:set_referring_clinician(patient_id)": Look("frida", refused={"name": ""}),
    "patients:add_contact(patient_id)": Look("frida", refused=_EMPTY),
    "patients:edit_contact(contact_id)": Look("frida", refused={"name": ""}),
    "patients:care_team(patient_id)": Look("theo"),
    "patients:break_glass(patient_id)": Look("nils", refused=_EMPTY),
    "patients:break_glass_reviews": Look("petra", ("", "?state=reviewed")),
    "patients:review_break_glass(grant_id)": Look("petra", refused=_EMPTY),
    # Health facts.
    "assessments:chart_health(patient_id)": Look("nina", ("", "?after=medication:{fact_id}")),
    "assessments:record_condition(patient_id)": Look("nina", refused=_EMPTY),
    "assessments:record_diagnosis(patient_id)": Look("nina", refused=_EMPTY),
    "assessments:record_allergy(patient_id)": Look("nina", refused=_EMPTY),
    "assessments:record_medication(patient_id)": Look("nina", refused=_EMPTY),
    "assessments:record_measurement(patient_id)": Look(
        "nina", ("?kind=weight", "", "?kind=liver_test"), refused=_EMPTY
    ),
    "assessments:record_trial(patient_id)": Look("nina", refused=_EMPTY),
    "assessments:record_family_history(patient_id)": Look("nina", refused=_EMPTY),
    "assessments:record_statement(patient_id)": Look("nina", ("?kind=medicines_complete", ""), refused=_EMPTY),
    "assessments:health_fact(fact_id,table)": Look("dana"),
    "assessments:correct_fact(fact_id,table)": Look("nina", refused=_EMPTY),
    "assessments:take_back_fact(fact_id,table)": Look("nina", refused=_EMPTY),
    "assessments:confirm_medicine(fact_id)": Look("dana", refused=_EMPTY),
    "assessments:review_clearance(patient_id)": Look("dana"),
    "assessments:chart_flags(patient_id)": Look("dana"),
    "assessments:withdraw_clearance(clearance_id)": Look("theo"),
    "assessments:clearances": Look("dana"),
    "assessments:chart_scores(patient_id)": Look("dana", ("", "?instrument=gad-7")),
    "assessments:my_progress": Look("pat_user"),
    "patients:chart_consents(patient_id)": Look("theo"),
    "patients:signed_consent(consent_id)": Look("nina"),
    "patients:take_consent(patient_id,text_id)": Look("nina", ("", "?how=paper"), refused=_EMPTY),
    "patients:mail_consent_code(patient_id)": Look("nina"),
    "patients:withdraw_consent(patient_id)": Look("frida", refused=_EMPTY),
    "patients:settle_capacity_concern(patient_id)": Look("nina", refused=_EMPTY),
    "patients:consent_texts": Look("dana"),
    "patients:consent_text(text_id)": Look("dana"),
    "patients:edit_consent_text(text_id)": Look("ada", refused={"title": ""}, instead={"text_id": "draft_text_id"}),
    "patients:publish_consent_text(text_id)": Look("dana", refused=_EMPTY, instead={"text_id": "draft_text_id"}),
    "patients:my_consents": Look("pat_user"),
    "patients:sign_consent(text_id)": Look("pat_user", refused=_EMPTY, instead={"text_id": "unsigned_text_id"}),
    "patients:consent_copy(consent_id)": Look("pat_user"),
    "patients:withdraw_my_consent(consent_id)": Look("pat_user", refused={"words": "x" * 501}),
    "patients:portal_me": Look("pat_user"),
    "patients:portal_preferences": Look("pat_user"),
    "patients:ask_address_change": Look("pat_user", refused=_EMPTY),
    # Questionnaires, the staff's side.
    "assessments:chart_questionnaires(patient_id)": Look("theo"),
    "assessments:ask_questionnaires(patient_id)": Look("theo", refused=_EMPTY),
    "assessments:enter_questionnaire(patient_id)": Look(
        "theo",
        (
            "?instrument=phq-9&how=read_out",
            "",
            "?instrument=ptq&how=paper",
            "?instrument=pcl-5&how=paper_total",
            "?instrument=c-ssrs&how=rated",
        ),
        refused=_EMPTY,
    ),
    "assessments:cancel_questionnaire(request_id)": Look("theo", refused=_EMPTY),
    "assessments:response(response_id)": Look("theo"),
    "assessments:correct_response(response_id)": Look("theo", refused=_EMPTY),
    "assessments:take_back_response(response_id)": Look("theo", refused=_EMPTY),
    "assessments:open_requests": Look("theo"),
    "assessments:instruments": Look("ada"),
    "assessments:instrument(code)": Look("ada"),
    "assessments:record_wording(code)": Look("ada", refused=_EMPTY),
    "assessments:asking_rules": Look("ada"),
    "assessments:add_asking_rule": Look("ada", refused=_EMPTY),
    # Questionnaires, the patient's side.
    "assessments:my_packet": Look("pat_user"),
    "assessments:packet_section(part)": Look(
        "pat_user", ("", "?step=allergies&check=1"), refused={"medicine-0-name": "x" * 10_001}
    ),
    "assessments:packet_check": Look("pat_user"),
    "assessments:packet_done": Look("quinn_user"),
    "assessments:patient_intake(patient_id)": Look("frida"),
    "assessments:invite_packet(patient_id)": Look("frida", refused=_EMPTY),
    "assessments:packet(packet_id)": Look("theo", instead={"packet_id": "submitted_packet_id"}),
    "assessments:to_do": Look("pat_user"),
    "assessments:answer_questionnaire(request_id)": Look("pat_user", ("", "?question=q9", "?show=all", "?show=check")),
    "assessments:questionnaire_done(request_id)": Look("pat_user", instead={"request_id": "done_request_id"}),
    "assessments:answer_link(token)": Look(refused=_EMPTY),
    "assessments:answer_by_link": Look(way_in="link"),
    "assessments:answers_sent": Look(),
    "assessments:give_kiosk_code(patient_id)": Look("frida"),
    "assessments:kiosk": Look(way_in="kiosk", refused={"digits": "000000"}),
    "assessments:kiosk_answering": Look(way_in="kiosk_code"),
    "assessments:kiosk_done": Look(way_in="kiosk_done"),
    "clinic:set_up_device": Look(refused=_EMPTY),
    # Alerts and safety plans.
    "assessments:alerts": Look("theo"),
    "assessments:alert(alert_id)": Look("theo"),
    "assessments:record_contact(alert_id)": Look("theo", refused=_EMPTY),
    "assessments:dispose_alert(alert_id)": Look("theo", refused=_EMPTY),
    "assessments:chart_alerts(patient_id)": Look("theo"),
    "assessments:safety_plan(patient_id)": Look("theo"),
    "assessments:write_safety_plan(patient_id)": Look("theo", refused=_EMPTY),
    "assessments:my_safety_plan": Look("pat_user"),
    # The sessions' floor.
    "sessions:today": Look("frida", ("", "?mine=1", "?by=time")),
    "sessions:today_board": Look("frida", not_a_page="the board alone, for its poll"),
    "sessions:schedule": Look("frida"),
    "sessions:schedule(day)": Look("frida", ("", "?view=week", "?by=person", "?view=week&by=person", "?view=month")),
    "sessions:schedule_events(day)": Look("frida", not_a_page="JSON for the calendar"),
    "sessions:schedule_csv(day)": Look("frida", not_a_page="a spreadsheet"),
    "sessions:say_away": Look("frida", refused=_EMPTY),
    "sessions:absence(time_off_id)": Look("frida", refused={"line": "x"}, instead={"time_off_id": "ill_id"}),
    "sessions:calendar_feed": Look("dana"),
    "sessions:utilisation_report": Look("ada", ("", "?by=quarter")),
    "sessions:utilisation_csv": Look("ada", not_a_page="a spreadsheet"),
    "sessions:calendar_ics(feed_key)": Look(not_a_page="a calendar file"),
    "sessions:book_intake": Look(
        "frida", ("?patient={other_patient_id}", "", "?referral={referral_id}"), refused=_EMPTY
    ),
    "sessions:book_visit(patient_id)": Look("frida", ("?kind=dosing", "", "?kind=follow_up_remote"), refused=_EMPTY),
    "sessions:plan_course(patient_id)": Look("frida", ("", "?doses=2&every_days=7", "?doses=0")),
    "sessions:plan_rest(appointment_id)": Look("frida", ("", "?only=1"), instead={"appointment_id": "course_visit_id"}),
    "sessions:waitlist": Look("frida"),
    "sessions:offer_time(waitlist_entry_id)": Look("frida", refused=_EMPTY),
    "sessions:join_waitlist(patient_id)": Look("frida", refused=_EMPTY),
    "sessions:portal_waitlist": Look("pat_user", refused={"last_day": "2020-01-01"}),
    "sessions:appointment(appointment_id)": Look("frida"),
    "sessions:reschedule(appointment_id)": Look("frida", refused=_EMPTY),
    "sessions:confirm_move(appointment_id)": Look("frida", ("?at=2027-01-15T14:00", "")),
    "sessions:cancel_appointment(appointment_id)": Look("frida", refused=_EMPTY),
    "sessions:undo_no_show(appointment_id)": Look(
        "frida", refused=_EMPTY, instead={"appointment_id": "missed_appointment_id"}
    ),
    "sessions:record_afterwards(appointment_id)": Look(
        "frida", refused=_EMPTY, instead={"appointment_id": "missed_appointment_id"}
    ),
    "sessions:visit_letters(appointment_id)": Look("frida"),
    "sessions:answer_change_request(change_request_id)": Look("frida", refused=_EMPTY),
    "sessions:patient_visits(patient_id)": Look("frida"),
    "sessions:patient_letters(patient_id)": Look("frida"),
    "sessions:chart(patient_id)": Look("theo"),
    "sessions:merge_patient(patient_id)": Look("ada", ("?with={twin_number}", "", "?with=SW-0"), refused=_EMPTY),
    "sessions:patient_merges(patient_id)": Look("ada"),
    "sessions:unmerge_patients(merge_id)": Look("ada", refused=_EMPTY),
    "sessions:portal_home": Look("pat_user"),
    "sessions:portal_visits": Look("pat_user"),
    "sessions:portal_visit(appointment_id)": Look("pat_user"),
    "sessions:portal_visit_ics(appointment_id)": Look("pat_user", not_a_page="a calendar file"),
    "sessions:ask_change(appointment_id)": Look("pat_user", refused={"message": "x" * 501}),
    "sessions:ask_visit": Look("pat_user", refused={"kind": "x"}),
    "sessions:answer_visit_request(visit_request_id)": Look("frida", refused=_EMPTY),
    "sessions:choose_my_time(appointment_id)": Look("pat_user", ("", "?anybody=on"), refused=_EMPTY),
    "sessions:cancel_my_visit(appointment_id)": Look("pat_user", refused=_EMPTY),
    "sessions:say_where_i_am(appointment_id)": Look("pat_user", refused=_EMPTY),
    # Coming in and going out: allauth's views behind our frame.
    "account_login": Look(refused=_EMPTY),
    "account_request_login_code": Look(refused=_EMPTY),
    "account_confirm_login_code": Look(way_in="code", refused={"code": "000000"}),
    "account_logout": Look("frida"),
    "account_signup": Look(),
    "account_inactive": Look(),
    "account_reauthenticate": Look("dana", refused=_EMPTY),
    "account_change_password": Look("dana", refused=_EMPTY),
    "account_reset_password": Look(refused=_EMPTY),
    "account_reset_password_done": Look(),
    "account_reset_password_from_key_done": Look(),
    "account_reset_password_from_key(key,uidb36)": Look(way_in="reset_link", refused=_EMPTY),
    "mfa_index": Look("dana"),
    "mfa_authenticate": Look(way_in="second_factor", refused=_EMPTY),
    "mfa_reauthenticate": Look("dana", refused=_EMPTY),
    "mfa_activate_totp": Look("milo", refused=_EMPTY),
    "mfa_deactivate_totp": Look("dana"),
    "mfa_view_recovery_codes": Look("dana"),
    "mfa_generate_recovery_codes": Look("dana"),
    "mfa_download_recovery_codes": Look("dana", not_a_page="a text file"),
    "mfa_list_webauthn": Look("dana"),
    "mfa_add_webauthn": Look("dana", refused=_EMPTY),
    "mfa_login_webauthn": Look(not_a_page="JSON for the browser's own dialogue"),
    "mfa_reauthenticate_webauthn": Look("dana", not_a_page="a part of the page that asks for a factor"),
    "mfa_edit_webauthn(pk)": Look("dana", refused=_EMPTY),
    "mfa_remove_webauthn(pk)": Look("dana"),
}


def arguments(pattern: URLPattern) -> list[str]:
    """Return the names of a path's arguments, whether it is written as a route or as a regular expression."""
    if isinstance(pattern.pattern, RegexPattern):
        return sorted(pattern.pattern.regex.groupindex)
    return sorted(pattern.pattern.converters)


def get_urls() -> dict[str, URLPattern]:
    """Return every URL that answers GET, by its key in ``LOOKS``: the full name and the arguments of the path."""
    found = {}
    for name, pattern in every_url():
        policy = policy_of(pattern)
        if policy is not None and "GET" in policy.methods:
            names = arguments(pattern)
            found[f"{name}({','.join(names)})" if names else name] = pattern
    return found


def paths_of(key: str, records: Mapping[str, Any]) -> list[str]:
    """Return the addresses of a page: one for each of its query strings."""
    look = LOOKS[key]
    name, _bracket, names = key.partition("(")
    values = {n: records[look.instead.get(n, n)] for n in names.rstrip(")").split(",") if n}
    return [reverse(name, kwargs=values) + query.format_map(records) for query in look.queries]


def person(cast: Cast, look: Look) -> User | None:
    """Return who opens the page, or None for a stranger."""
    return getattr(cast, look.who) if look.who else None


def _kinds_of_visit(cast: Cast) -> None:
    """What a dosing visit and one from afar need besides the intake of the cast."""
    for row in visitkinds.FIRST_KINDS:
        if row["code"] in {"dosing", "integration", "follow_up_remote"}:
            visittypes.publish(by=cast.ada, now=make.NOON, **row)
    make.make_room(cast.denver, "Dogwood", kind=Room.Kind.DOSING)


def more_records(cast: Cast, records: dict[str, Any]) -> dict[str, Any]:
    """Return the ids of matrix_records with those that only pages need, each made once."""
    missed = make.make_appointment(
        cast.quinn, cast.intake, cast.dana, make.NOON - timedelta(hours=2), room=cast.second_room,
        status=Appointment.Status.NO_SHOW, no_show_at=make.NOON - timedelta(hours=1),
    )  # fmt: skip
    _kinds_of_visit(cast)
    cast.rosa.refresh_from_db()
    fresh = make.make_patient(cast.denver, "Nora", "Newcomer", life_state=LifeState.ENQUIRER)
    return {
        **records,
        "missed_appointment_id": missed.pk,
        "other_patient_id": fresh.pk,
        "draft_text_id": make.make_consent_text(cast.dana, cast.denver, version=2, published=False).pk,
        "unsigned_text_id": make.make_consent_text(cast.dana, cast.denver, "treatment").pk,
        "patient_number": cast.pat.mrn,
        "twin_number": make.make_patient(cast.denver, "Pat", "Moreau", birth_date=cast.pat.birth_date).mrn,
        "submitted_packet_id": _submitted_packets(cast),
        "done_request_id": _done_request(cast),
        "course_visit_id": _course_visit(cast, fresh),
        "ill_id": _ill(cast),
    }


def _ill(cast: Cast) -> Any:
    """Return when Dana is away, on the day of the first visit of matrix_records."""
    during = (make.NOON + timedelta(days=3, hours=-4), make.NOON + timedelta(days=3, hours=8))
    return TimeOff.objects.create(
        user=cast.dana, during=during, reason="illness", entered_by=cast.ada, entered_at=make.NOON
    ).pk


def _course_visit(cast: Cast, patient: Patient) -> Any:
    """Return a dose of a course that has lost its talk and another dose."""
    course = Course.objects.create(
        patient=patient, location=cast.denver, doses=2, booked_by=cast.frida, booked_at=make.NOON
    )
    dose = VisitType.objects.current().get(code="dosing")
    return make.make_appointment(patient, dose, cast.tess, make.NOON + timedelta(days=21), course=course).pk


def _done_request(cast: Cast) -> Any:
    """Return a request that Pat answered with what alarms nobody."""
    asked = make.make_request(cast.pat, "gad-7", status="done", settled_at=make.NOON)
    make.make_response(cast.pat, cast.pat_user, "gad-7", answers={"q1": 0}, request=asked)
    return asked.pk


def _submitted_packets(cast: Cast) -> Any:
    """Return Pat's earlier packet, handed in as Quinn's; Pat's newest is out."""
    handed_in: dict[str, Any] = {
        "status": "submitted",
        "settled_at": make.NOON,
        "invited_at": make.NOON - timedelta(days=400),
    }
    fill_packet(make.make_packet(cast.quinn, cast.frida, **handed_in))
    return fill_packet(make.make_packet(cast.pat, cast.frida, **handed_in)).pk


def fill(cast: Cast, *, rows: int = ROWS, start: int = 0, names: str = "") -> None:
    """Give everything of Denver and of Pat ``rows`` children, so that each list of each page is full.

    ``start`` numbers the first, where there are some already. ``names`` goes into every text a person can write, so that one sees what long ones do.
    """
    for number in range(start, start + rows):
        _fill_patient(cast, number, names)
        _fill_house(cast, number, names)
        _fill_lists(cast, number, names)


def _fill_alerts(cast: Cast, number: int, names: str) -> None:
    """One more open alert of Pat's with its call, one more duty, and one more version of the safety plan."""
    alert = make.make_alert(cast.pat, ("yellow", "orange", "red")[number % 3])
    page = make.make_page(cast.denver, alert.tier, subject_id=alert.pk, rung=0)
    PageCall.objects.create(page=page, user=cast.theo, rung=0, called_at=make.NOON)
    make.make_duty(cast.denver, cast.nina, "first", make.NOON + timedelta(hours=number), 1)
    SafetyPlan.objects.create(
        patient=cast.pat, number=number + 1, written_by=cast.theo, written_at=make.NOON, with_patient=True,
        **{name: f"{names}{name} {number}"[:2000] for name in SafetyPlan.HEADINGS},
    )  # fmt: skip


def _fill_health(cast: Cast, number: int, names: str) -> None:
    """One more fact of each kind."""
    at = make.NOON - timedelta(hours=number + 1)
    for model, values in (
        (Condition, {"kind": "tia", "state": "past"}),
        (Diagnosis, {"text": f"{names}PTSD"[:200], "indication": "ptsd"}),
        (Allergy, {"substance": f"{names}latex"[:120], "agent": "other"}),
        (Medication, {"text": f"{names}xanax"[:200], "taking": "current"}),
        (Measurement, {"kind": "weight", "first": 70 + number}),
        (TreatmentTrial, {"treatment": f"{names}sertraline"[:120]}),
        (FamilyHistory, {"psychosis": None}),
        (HealthStatement, {"kind": "escort_possible", "value": True}),
    ):
        make.make_health_fact(model, cast.pat, cast.nina, at=at, note=names[:500], **values)


def _fill_patient(cast: Cast, number: int, names: str) -> None:
    """One more of everything that hangs on Pat, and on Pat's visit."""
    now, pat = make.NOON, cast.pat
    make.make_contact(pat, name=f"{names}Contact {number}"[:120], relationship=f"friend {names}"[:40])
    helper = make.make_user(f"{names}Helper {number}"[:120], email=f"helper{number}@juniper.example")
    make.make_member(helper, cast.denver, Role.THERAPIST)
    make.make_care_team_member(pat, helper)
    past = make.make_appointment(
        pat, cast.intake, cast.dana, now - timedelta(days=number + 2), status=Appointment.Status.COMPLETED,
        started_at=now - timedelta(days=number + 2), finished_at=now - timedelta(days=number + 2),
    )  # fmt: skip
    to_come = make.make_appointment(pat, cast.intake, cast.dana, now + timedelta(days=number + 5), room=cast.room)
    first = Appointment.objects.filter(patient=pat, starts_at=now + timedelta(days=3)).first() or past
    ChangeRequest.objects.create(
        appointment=first, wish="change", message=names[:500], asked_by=cast.pat_user, asked_at=now - timedelta(days=1),
        status="refused", answered_by=cast.frida, answered_at=now - timedelta(hours=number + 1), answer=f"No. {names}",
    )  # fmt: skip
    # A wish in the open about another visit each, so that lists of wishes are full too.
    ChangeRequest.objects.create(appointment=to_come, wish="change", asked_by=cast.pat_user, asked_at=now)
    for visit in (first, past):
        message = _message(cast, number, subject=visit.pk, status="sent", version=number + 10)
        Reminder.objects.create(
            appointment=visit, kind="visit_tomorrow", channel="email", schedule_version=number + 10, due_at=now,
            useful_until=now, status="queued", settled_at=now, message=message,
        )  # fmt: skip
    ContactPreference.objects.create(
        patient=pat, category=Category.VISIT, channel=Channel.SMS, is_allowed=False, evidence="portal", since=now,
        recorded_by=cast.frida, ended_at=now,
    )  # fmt: skip
    words = make.make_consent_text(
        cast.dana, cast.denver, "telehealth", version=number + 1, title=f"{names}Visits by video {number}"[:120]
    )
    make.make_consent(pat, words, now - timedelta(days=number + 1), typed_name=f"Pat {names}Moreau"[:200])
    _fill_alerts(cast, number, names)
    _fill_health(cast, number, names)
    make.make_referral(
        cast.denver, f"Pat {number}", patient=pat, status="closed", closed_at=now, received_at=now - timedelta(days=50)
    )
    make.make_request(pat, "gad-7", due_at=now + timedelta(days=3, minutes=number))
    make.make_response(
        pat, cast.pat_user, at=now - timedelta(days=number + 1), answers={"q1": 1} if number % 2 else None
    )
    make.make_rule(cast.ada, offset_hours=number, ended_at=now, ended_by=cast.ada)
    make.make_rule(cast.ada, "gad-7", offset_hours=200 + number)
    pat.version += 1
    pat.pronouns = f"they {number}"
    pat.save(update_fields=["version", "pronouns"])
    # Others so like Rosa that the page of her enquiry has to name them.
    make.make_patient(cast.denver, "Rosa", f"Vega{number}", email=cast.rosa.email)


def _message(cast: Cast, number: int, *, subject: Any, status: str, version: int) -> OutboundMessage:
    now = make.NOON
    settled = None if status in {"queued", "sending"} else now - timedelta(minutes=number)
    return OutboundMessage.objects.create(
        kind="visit_tomorrow", category="visit", channel="email", recipient_kind="patient", recipient_id=cast.pat.pk,
        address=cast.pat.email, time_zone="America/Denver", location_id=cast.denver.pk, subject_type="appointment",
        subject_id=subject, schedule_version=version, status=status, queued_at=now - timedelta(minutes=number),
        reason="address_refused" if status in {"failed", "skipped", "void"} else "", not_before=now, useful_until=now,
        claimed_at=now, settled_at=settled,
    )  # fmt: skip


def _fill_house(cast: Cast, number: int, names: str) -> None:
    """One more room, screen, colleague, closure, absence and role at Denver."""
    now, far = make.NOON, timedelta(days=100 + 2 * number)
    make.make_room(cast.denver, f"{names[:20]}Spare room {number}")
    Device.objects.create(
        location=cast.denver, name=f"{names[:20]}Spare monitor {number}", kind=Device.Kind.VITALS_MONITOR
    )
    EnrolledDevice.objects.create(
        location=cast.denver, kind="kiosk", name=f"{names[:20]}Spare desk {number}", credential_hash=f"{number:064d}",
        enrolled_by=cast.ada, enrolled_at=now,
    )  # fmt: skip
    Closure.objects.create(
        location=cast.denver, name=f"{names}Holiday {number}"[:60], during=(now + far, now + far + timedelta(days=1)),
        entered_by=cast.ada, entered_at=now,
    )  # fmt: skip
    colleague = make.make_user(f"{names}Colleague {number}"[:120], email=f"colleague{number}@juniper.example")
    role = (Role.PRESCRIBER, Role.NURSE, Role.THERAPIST)[number % 3]
    make.make_member(colleague, cast.denver, role)
    make.make_working_hours(colleague, cast.denver)
    for who in (colleague, cast.felix):
        TimeOff.objects.create(
            user=who,
            during=(now + far, now + far + timedelta(days=1)),
            reason="holiday",
            entered_by=cast.ada,
            entered_at=now,
        )
    Licence.objects.create(
        user=cast.felix, kind="professional", number=f"L{number}", state=f"{chr(65 + number // 26)}{chr(65 + number % 26)}",
        expires_on=now.date() + timedelta(days=number),
    )  # fmt: skip
    StaffInvitation.objects.create(
        email=f"new{number}@juniper.example", name=f"{names}New {number}"[:120], location=cast.denver, role=Role.NURSE,
        token_hash=f"{number:064d}", invited_by=cast.ada, invited_at=now, expires_at=now + timedelta(days=7),
    )  # fmt: skip


def _fill_lists(cast: Cast, number: int, names: str) -> None:
    """One more of every list: enquiries in every state, people, letters, work, audit, openings, visits of the day."""
    now = make.NOON
    after = {"accepted": "accepted_at", "booked": "booked_at", "declined": "declined_at", "closed": "closed_at"}
    someone = make.make_patient(
        cast.denver, f"{names}Pat{number}"[:80], UNBROKEN[:80] if names else f"Row{number}",
        access_needs=names[:200], pronouns=names[:30],
    )  # fmt: skip
    for state in Referral.Status.values:
        known = {"patient": someone, after[state]: now} if state in after else {}
        make.make_referral(
            cast.denver, f"{names}Nora {number}"[:80], status=state, message=names, received_at=now - timedelta(hours=number),
            decline_reason="out_of_area" if state == "declined" else "", email=someone.email, **known,
        )  # fmt: skip
    for state in OutboundMessage.Status.values:
        _message(cast, number, subject=someone.pk, status=state, version=OutboundMessage.Status.values.index(state) + 1)
    for closed in (False, True):
        item = worklist.open_item(
            by=cast.frida, kind=WorkItem.Kind.CALL_PATIENT, location=cast.denver, owner_role=Role.FRONT_DESK,
            subject_type="patient", subject_id=someone.pk, patient_id=someone.pk, due_at=now, now=now,
        )  # fmt: skip
        if closed:
            break
        worklist.close_item(by=cast.frida, item=item, outcome=WorkItem.Outcome.DONE, note=names[:500], now=now)
    audit.record(
        cast.frida, audit.Verb.RECORD_READ, someone, now=now, patient_id=someone.pk, location_id=cast.denver.pk
    )
    for reviewed in ({}, {"reviewed_at": now, "reviewed_by": cast.petra, "finding": "justified"}):
        BreakGlass.objects.create(
            patient=someone, user=cast.nils, reason="emergency", reason_text=names or "x",
            started_at=now - timedelta(hours=number + 3), expires_at=now - timedelta(hours=number + 1), **reviewed,
        )  # fmt: skip
    PortalInvitation.objects.create(
        patient=someone, email=someone.email, token_hash=str(new_id()), invited_by=cast.frida, invited_at=now,
        expires_at=now + timedelta(days=7),
    )  # fmt: skip
    _visit_of_today(cast, someone, number)


# Every column of Today: ahead, late, here, in the room, over, and away.
_STATES: tuple[dict[str, Any], ...] = (
    {"status": "booked"},
    {"status": "confirmed", "confirmed_at": make.NOON},
    {"status": "checked_in", "checked_in_at": make.NOON},
    {"status": "in_progress", "checked_in_at": make.NOON, "started_at": make.NOON},
    {"status": "completed", "started_at": make.NOON, "finished_at": make.NOON},
    {"status": "no_show", "no_show_at": make.NOON},
    {"status": "cancelled", "cancelled_at": make.NOON, "cancelled_by": "patient", "cancel_reason": "illness"},
)


def _visit_of_today(cast: Cast, patient: Patient, number: int) -> None:
    clinician = make.make_user(f"Busy {number}", email=f"busy{number}@juniper.example")
    make.make_member(clinician, cast.denver, Role.PRESCRIBER)
    make.make_appointment(
        patient, cast.intake, clinician, make.NOON + timedelta(minutes=15 * (number % 20) - 120),
        room=make.make_room(cast.denver), **_STATES[number % len(_STATES)],
    )  # fmt: skip
