"""Patients at the desk: found, registered, shown, corrected, moved through the states of care, let into the portal."""

import contextlib
import uuid
from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from phonenumber_field.phonenumber import PhoneNumber

from clinic import audit, keyset, localtime
from clinic.access import GET, GET_POST, POST, Permission, holds, locations_where, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Location
from patients import duplicates, search
from patients.access import get_address_change_or_404, get_patient_or_404, get_referral_or_404
from patients.actions import patients as actions
from patients.actions import portal
from patients.forms.patients import (
    AT_ONCE,
    AnswerAddressChangeForm,
    ChangeLifeStateForm,
    EditPatientForm,
    RegisterPatientForm,
    SuspendPortalForm,
)
from patients.models import (
    AddressChange,
    BreakGlass,
    CareTeamMember,
    Contact,
    ContactPreference,
    LifeState,
    Patient,
    PortalInvitation,
    Referral,
    ReferringClinician,
)

from .history import as_of, changes_of, changes_since
from .lines import LIFE_PILLS, asked_text, birth_text, patient_line, phone_text


@staff_view(Permission.PATIENT_READ, methods=GET)
def patients(request: StaffRequest) -> HttpResponse:
    """Find people by anything, or show the newest of this location."""
    mine = Patient.objects.visible_to(request.user, Permission.PATIENT_READ, request.now)
    asked = request.GET.get("q", "").strip()[:100]
    if asked:
        found = search.find(mine, asked)
        rows, links = found.patients, {}
    else:
        found = None
        page = keyset.cut(
            mine.filter(home_location=request.location).select_related("home_location"), "registered_at", request.GET
        )
        rows, links = page.rows, page.links(reverse("patients:patients"))
    audit.listed(request, "patients", [patient.pk for patient in rows], now=request.now)
    context = {
        "q": asked,
        "found": found,
        "rows": [patient_line(patient, request.now) for patient in rows],
        "page": links,
        "may_write": holds(request.user, Permission.PATIENT_WRITE, request.location.pk),
    }
    return answer(request, "patients/patients.html", context, part="list")


@staff_view(Permission.PATIENT_READ, methods=GET)
def patient(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show the desk's page of a patient: identity, reach, people, portal. Nothing clinical is here.

    Of a record that was merged into another it says so, and leads on.
    """
    found = get_patient_or_404(request, patient_id)
    if found.is_merged:
        return answer(request, "patients/_merged_patient.html", _merged_context(request, found))
    return answer(request, "patients/patient.html", _context(request, found))


def _merged_context(request: StaffRequest, found: Patient) -> dict[str, Any]:
    """Return what is said of a record that was merged away. Whoever may not open the other one is told its number only."""
    mine = Patient.objects.visible_to(request.user, Permission.PATIENT_READ, request.now, with_merged=True)
    return {
        "patient": found,
        "born": birth_text(found.birth_date),
        "other": found.merged_into,
        "may_open": found.merged_into is not None and mine.filter(pk=found.merged_into.pk).exists(),
        "may_read_audit": holds(request.user, Permission.AUDIT_READ, found.home_location_id),
        "may_read_letters": holds(request.user, Permission.MESSAGE_READ, found.home_location_id),
    }


def _context(request: StaffRequest, found: Patient) -> dict[str, Any]:
    tz, now = found.home_location.tz, request.now
    where = found.home_location_id
    team = list(
        CareTeamMember.objects.live().filter(patient=found).select_related("user").order_by("-is_lead", "since")
    )
    invitation = PortalInvitation.objects.open(now).filter(patient=found).first()
    wish = AddressChange.objects.open().filter(patient=found).first()
    grant = BreakGlass.objects.live(now).filter(patient=found, user=request.user).first()
    may_read_charts = holds(request.user, Permission.CHART_READ, where)
    is_on_team = any(member.user_id == request.user.pk for member in team)
    referral = Referral.objects.filter(patient=found).order_by("-received_at").first()
    return {
        "patient": found,
        "age": found.age_on(localtime.day_of(now, tz)),
        "born": birth_text(found.birth_date),
        "pill": LIFE_PILLS[LifeState(found.life_state)],
        "life_since": localtime.day_text(localtime.day_of(found.life_state_since, tz)),
        "contacts": list(Contact.objects.filter(patient=found, ended_at=None).order_by("name", "id")),
        "preferences": _agreed(found),
        "team": team,
        "invitation": invitation,
        "invited_until": localtime.moment_text(invitation.expires_at, tz) if invitation else "",
        "portal_since": localtime.day_text(localtime.day_of(found.portal_since, tz)) if found.portal_since else "",
        "suspended_since": localtime.day_text(localtime.day_of(found.portal_suspended_at, tz))
        if found.portal_suspended_at
        else "",
        "wish": wish,
        "wished": localtime.moment_text(wish.asked_at, tz) if wish else "",
        "referrer": ReferringClinician.objects.current().filter(patient=found).first(),
        "was_sent": referral is not None and referral.source == Referral.Source.CLINICIAN,
        "referral": referral
        if referral and holds(request.user, Permission.REFERRAL_READ, referral.location_id)
        else None,
        "referred": localtime.day_text(localtime.day_of(referral.received_at, tz)) if referral else "",
        "may_write": holds(request.user, Permission.PATIENT_WRITE, where),
        "may_withdraw_consent": holds(request.user, Permission.CONSENT_WITHDRAW, where),
        "may_merge": holds(request.user, Permission.PATIENT_MERGE, where),
        "has_merges": Patient.objects.filter(merged_into=found).exists(),
        "may_correct_death": found.is_deceased and holds(request.user, Permission.PATIENT_CORRECT_DEATH, where),
        "speaks": capfirst(found.get_language_display()),
        "interpreter": {True: _("Needed"), False: _("Not needed"), None: _("Not asked")}[found.needs_interpreter],
        "access": [
            (capfirst(str(Patient._meta.get_field(name).verbose_name)), asked_text(getattr(found, name)))  # type: ignore[union-attr]  # a column
            for name in ("uses_wheelchair", "hard_of_hearing", "low_vision")
        ],
        "may_read_audit": holds(request.user, Permission.AUDIT_READ, where),
        "may_read_letters": holds(request.user, Permission.MESSAGE_READ, where),
        "chart_is_open": may_read_charts and (is_on_team or grant is not None),
        "may_break_glass": not is_on_team and grant is None and holds(request.user, Permission.BREAK_GLASS, where),
        "open_until": localtime.moment_text(grant.expires_at, tz) if grant else "",
        "openings": _openings(found)
        if (is_on_team and may_read_charts) or holds(request.user, Permission.BREAK_GLASS_REVIEW, where)
        else [],
    }


def _openings(found: Patient) -> list[dict[str, Any]]:
    """Return the last emergency openings of the chart, for the care team that was told of them."""
    rows = BreakGlass.objects.filter(patient=found).select_related("user").order_by("-started_at", "-id")[:5]
    return [
        {
            "who": row.user.name,
            "when": localtime.moment_text(row.started_at, found.home_location.tz),
            "reason": row.get_reason_display(),
            "text": row.reason_text,
            "finding": row.get_finding_display(),
        }
        for row in rows
    ]


def _agreed(found: Patient) -> list[dict[str, Any]]:
    """Return what the patient was asked, as a table: one row a kind of letter, one answer a channel."""
    rows = ContactPreference.objects.current().filter(patient=found).order_by("category", "channel")
    return [
        {"category": row.get_category_display(), "channel": row.get_channel_display(), "allowed": row.is_allowed}
        for row in rows
    ]


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def register_patient(request: StaffRequest) -> HttpResponse:
    """Register a person, prefilled from an enquiry when one is named, after looking at who seems alike."""
    referral = _referral_named(request)
    agreed = referral is not None and referral.agrees_to_email
    places = _places(request)
    if request.method != "POST":
        form = RegisterPatientForm(locations=places, agreed_on_form=agreed, initial=_initial(request, referral))
        return _register_page(request, form, referral)
    form = RegisterPatientForm(request.POST, locations=places, agreed_on_form=agreed)
    if not form.is_valid():
        return _register_page(request, form, referral, status=UNPROCESSABLE)
    try:
        registered = actions.register(
            by=request.user,
            entry_key=form.cleaned_data["entry_key"] or uuid.uuid4(),
            location=form.cleaned_data["home_location"],
            identity=form.identity(),
            referral=referral,
            email_consent=form.cleaned_data["email_consent"],
            not_same=_said_apart(request),
            now=request.now,
        )
    except actions.LooksKnown as refusal:
        return _register_page(request, form, referral, known=refusal, status=UNPROCESSABLE)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _register_page(request, form, referral, status=UNPROCESSABLE)
    messages.success(
        request, _("%(name)s is registered as %(mrn)s.") % {"name": registered.full_name, "mrn": registered.mrn}
    )
    return go(request, "patients:patient", registered.pk)


def _said_apart(request: StaffRequest) -> set[uuid.UUID]:
    """Return of whom the clerk says that they are somebody else. What is no id is nobody."""
    found = set()
    for named in request.POST.getlist("not_same")[: actions.MOST_ASKED]:
        with contextlib.suppress(ValueError):
            found.add(uuid.UUID(named))
    return found


def _places(request: StaffRequest) -> list[Location]:
    where = locations_where(request.user, Permission.PATIENT_WRITE)
    return list(Location.objects.active().filter(pk__in=where).order_by("name"))


def _referral_named(request: StaffRequest) -> Referral | None:
    """Return the enquiry named in the address or the form, through its door; nothing when none is."""
    named = request.POST.get("referral") or request.GET.get("referral") or ""
    try:
        key = uuid.UUID(named)
    except ValueError:
        return None
    # Registering gives the enquiry its patient, so it is asked for where the enquiry is.
    return get_referral_or_404(request, key, Permission.REFERRAL_MANAGE)


def _initial(request: StaffRequest, referral: Referral | None) -> dict[str, Any]:
    initial: dict[str, Any] = {"entry_key": uuid.uuid4(), "home_location": str(request.location.pk)}
    if referral is not None:
        initial |= {
            "referral": referral.pk,
            "home_location": str(referral.location_id),
            "given_name": referral.given_name,
            "family_name": referral.family_name,
            "email": referral.email,
            "phone": referral.phone,
        }
    return initial


def _beside(form: RegisterPatientForm, person: Patient) -> list[tuple[str, str, str, duplicates.Verdict]]:
    """Return each fact with what was entered and what is recorded, in words, and how the two compare."""

    def words(value: Any) -> str:
        if isinstance(value, date):
            return birth_text(value)
        return phone_text(PhoneNumber.from_string(value)) if str(value).startswith("+") else str(value or "—")

    facts = duplicates.beside(actions.facts_of(form.identity()), search.facts_of(person))
    return [(str(fact.label), words(fact.entered), words(fact.recorded), fact.verdict) for fact in facts]


def _register_page(
    request: StaffRequest,
    form: RegisterPatientForm,
    referral: Referral | None,
    *,
    known: actions.LooksKnown | None = None,
    status: int = 200,
) -> HttpResponse:
    apart = _said_apart(request)
    alike = [
        {
            **patient_line(person, request.now), "match": match, "is_apart": person.pk in apart,
            "beside": _beside(form, person),
        }
        for person, match in (known.matches if known else [])
    ]  # fmt: skip
    audit.listed(request, "alike", [line["id"] for line in alike], now=request.now)
    context = {
        "form": form,
        "referral": referral,
        "may_link": referral is not None and referral.can_be_registered,
        "may_merge": holds(request.user, Permission.PATIENT_MERGE),
        "at_once": [form[name] for name in AT_ONCE],
        "the_rest": [form[name] for name in form.fields if name not in AT_ONCE and not form[name].is_hidden],
        "alike": alike,
        "refusal": str(known) if known else "",
    }
    return answer(request, "patients/register_patient.html", context, status=status)


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def edit_patient(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Correct who somebody is and how to reach them. The second of two editors is shown what the first one changed."""
    found = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    if request.method != "POST":
        names = actions.Identity.__dataclass_fields__
        initial = {name: getattr(found, name) for name in names} | {"version": found.version}
        form = EditPatientForm(initial=initial, patient=found)
        return answer(request, "patients/edit_patient.html", {"form": form, "patient": found})
    form = EditPatientForm(request.POST, patient=found)
    meanwhile: list[dict[str, Any]] = []
    if form.is_valid():
        version = form.cleaned_data["version"]
        try:
            saved = actions.edit(
                by=request.user, patient=found, version=version, identity=form.identity(), now=request.now
            )
        except actions.ChangedMeanwhile as refusal:
            meanwhile = changes_since(found, version)
            form.data = _as_it_is_now(request.POST, form, found, version)
            form.add_error(None, str(refusal))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The record of %(name)s is saved.") % {"name": saved.full_name})
            return go(request, "patients:patient", found.pk)
    context = {"form": form, "patient": found, "meanwhile": meanwhile}
    return answer(request, "patients/edit_patient.html", context, status=UNPROCESSABLE)


def _as_it_is_now(sent: QueryDict, form: EditPatientForm, found: Patient, version: int) -> QueryDict:
    """Return what was sent, with what this editor never touched as it is now, so that saving again undoes nothing.

    Saving again over what both of them changed is the editor's decision, made with the other's change before them.
    """
    fresh = Patient.objects.select_related("home_location").get(pk=found.pk)
    typed = sent.copy()
    typed["version"] = str(fresh.version)
    seen = as_of(found, version)
    if seen is None:
        return typed
    before, now_true, wanted = (
        actions.identity_of(patient=seen), actions.identity_of(patient=fresh), form.identity()
    )  # fmt: skip
    for name in actions.Identity.__dataclass_fields__:
        if getattr(wanted, name) != getattr(before, name):
            continue
        value = form.fields[name].prepare_value(getattr(now_true, name))
        if value or name in typed:
            typed[name] = value
    return typed


@staff_view(Permission.PATIENT_READ, methods=GET)
def patient_history(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show who changed what in the record, and when."""
    found = get_patient_or_404(request, patient_id)
    context = {"patient": found, "changes": changes_of(found)}
    return answer(request, "patients/patient_history.html", context)


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def change_life_state(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Move a patient to another state of care, after saying what follows from it."""
    found = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    form = ChangeLifeStateForm(request.POST or None, states=found.next_life_states)
    if request.method == "POST" and form.is_valid():
        try:
            moved = actions.change_life_state(
                by=request.user, patient=found, to=form.cleaned_data["to"], now=request.now
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            said = {"name": moved.full_name, "state": moved.get_life_state_display()}
            messages.success(request, _("%(name)s is %(state)s now.") % said)
            return go(request, "patients:patient", found.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/change_life_state.html", {"form": form, "patient": found}, status=status)


@staff_view(Permission.PATIENT_CORRECT_DEATH, methods=POST)
def take_back_death(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Take back a death that was entered by mistake."""
    found = get_patient_or_404(request, patient_id, Permission.PATIENT_CORRECT_DEATH)
    try:
        actions.take_back_death(by=request.user, patient=found, now=request.now)
    except Refused as refusal:
        return _refused(request, found, refusal)
    messages.success(request, _("%(name)s is recorded as discharged again.") % {"name": found.full_name})
    return go(request, "patients:patient", found.pk)


@staff_view(Permission.PATIENT_WRITE, methods=POST)
def invite_to_portal(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Send the patient a link to the portal."""
    found = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    try:
        invitation = portal.invite_to_portal(by=request.user, patient=found, now=request.now)
    except Refused as refusal:
        return _refused(request, found, refusal)
    messages.success(request, _("An invitation goes to %(email)s.") % {"email": invitation.email})
    return go(request, "patients:patient", found.pk)


@staff_view(Permission.PATIENT_WRITE, methods=POST)
def withdraw_portal_invitation(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Withdraw the open invitation; its link opens nothing any more."""
    found = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    try:
        portal.withdraw_portal_invitation(by=request.user, patient=found, now=request.now)
    except Refused as refusal:
        return _refused(request, found, refusal)
    messages.success(request, _("The invitation is withdrawn. Its link opens nothing any more."))
    return go(request, "patients:patient", found.pk)


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def suspend_portal(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Close the portal of a patient at once, with a reason."""
    found = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    form = SuspendPortalForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            portal.suspend_portal(by=request.user, patient=found, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request,
                _("The portal is closed. Invite %(name)s anew when the address is right.") % {"name": found.called},
            )
            return go(request, "patients:patient", found.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/suspend_portal.html", {"form": form, "patient": found}, status=status)


@staff_view(Permission.PATIENT_WRITE, methods=POST)
def answer_address_change(request: StaffRequest, wish_id: uuid.UUID) -> HttpResponse:
    """Write the address a patient asked for into the record, or refuse it, after calling them."""
    wish = get_address_change_or_404(request, wish_id, Permission.PATIENT_WRITE)
    form = AnswerAddressChangeForm(request.POST)
    if not form.is_valid():
        return _refused(request, wish.patient, Refused(_("Say whether the new address is right.")))
    apply = form.cleaned_data["answer"] == "apply"
    try:
        actions.answer_address_change(by=request.user, wish=wish, apply=apply, now=request.now)
    except Refused as refusal:
        return _refused(request, wish.patient, refusal)
    messages.success(request, _("The new address is saved.") if apply else _("Nothing was changed."))
    return go(request, "patients:patient", wish.patient_id)


def _refused(request: StaffRequest, found: Patient, refusal: Refused) -> HttpResponse:
    """Show the patient as they are now, and why it was not done."""
    fresh = Patient.objects.select_related("home_location", "portal_user").get(pk=found.pk)
    context = {**_context(request, fresh), "refusal": str(refusal)}
    return answer(request, "patients/patient.html", context, status=UNPROCESSABLE)
