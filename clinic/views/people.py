"""People who work here, as their manager sees them: invited, given roles, helped, and recorded as gone."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.db.models import F
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import localtime, poke
from clinic.access import (
    GET_POST,
    POST,
    Permission,
    get_invitation_or_404,
    get_membership_or_404,
    get_person_or_404,
    locations_where,
    managed_location,
    staff_view,
)
from clinic.actions import invitations, licences
from clinic.actions import people as actions
from clinic.errors import Refused
from clinic.forms.people import (
    AddColleagueForm,
    ChangeMembershipForm,
    EditPersonForm,
    InvitePersonForm,
    RecordLicenceForm,
    ResetSecondFactorForm,
    StartMembershipForm,
)
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Licence, Location, Membership, Role, StaffInvitation, User, WorkItem

# Licences that end within this are worth a word on the list.
EXPIRES_SOON = timedelta(days=60)
SHOWN_AFTER_LEAVING = timedelta(days=90)
FACTORS = {"totp": gettext_lazy("authenticator app"), "webauthn": gettext_lazy("passkey")}
FLAGS = (
    ("is_medical_director", gettext_lazy("medical director")),
    ("is_pharmacy_lead", gettext_lazy("pharmacy lead")),
    ("can_dispense", gettext_lazy("may dispense")),
    ("is_trainee", gettext_lazy("trainee")),
)


def _page(request: StaffRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    status = UNPROCESSABLE if form.is_bound else 200
    return answer(request, template, {"form": form, **context}, status=status)


def _mentors(location: Location) -> list[Membership]:
    """Return who may supervise at a location: its clinicians who are no trainees, by name."""
    held = Membership.objects.live().filter(
        location=location, is_trainee=False, role__in=[r for r in Role if r.is_clinician]
    )
    return list(held.select_related("user").order_by("user__name"))


def _flag_texts(membership: Membership) -> list[str]:
    return [str(text) for flag, text in FLAGS if getattr(membership, flag)]


def _data(request: StaffRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _team(location: Location, now: datetime) -> list[dict[str, Any]]:
    """Return a row a person who works at the location: roles, flags, second factor, what ends soon. Three queries."""
    live = Membership.objects.live().filter(location=location).select_related("user")
    held = list(live.order_by("user__name", "role"))
    ids = {membership.user_id for membership in held}
    factors = Authenticator.objects.filter(user_id__in=ids).exclude(type="recovery_codes")
    safe = set(factors.values_list("user_id", flat=True))
    today = localtime.day_of(now, location.tz)
    soon = Licence.objects.filter(user_id__in=ids, expires_on__lte=today + EXPIRES_SOON).order_by("-expires_on")
    ending = {
        licence.user_id: _("licence ends soon") if licence.is_valid_on(today) else _("licence ended")
        for licence in soon
    }
    rows: dict[UUID, dict[str, Any]] = {}
    for membership in held:
        user = membership.user
        row = rows.setdefault(
            user.pk,
            {
                "id": user.pk, "name": user.name, "initials": user.initials, "email": user.email, "roles": [],
                "flags": [], "has_factor": user.pk in safe, "licence": ending.get(user.pk, ""),
            },
        )  # fmt: skip
        row["roles"].append(str(Role(membership.role).label))
        row["flags"] += _flag_texts(membership)
    return [{**row, "roles": ", ".join(row["roles"])} for row in rows.values()]


def _invited(location: Location, now: datetime) -> list[dict[str, Any]]:
    """Return the invitations nobody has answered, the newest first."""
    waiting = StaffInvitation.objects.filter(location=location, accepted_at=None, withdrawn_at=None)
    return [
        {
            "id": invitation.pk,
            "name": invitation.name,
            "email": invitation.email,
            "role": Role(invitation.role).label,
            "until": localtime.moment_text(invitation.expires_at, location.tz),
            "is_over": invitation.expires_at <= now,
        }
        for invitation in waiting.order_by("-invited_at")
    ]


def _gone(location: Location, now: datetime) -> list[dict[str, Any]]:
    """Return who left within a quarter of a year, the latest first."""
    once_here = Membership.objects.filter(location=location).values("user_id")
    gone = User.objects.staff().filter(left_at__gt=now - SHOWN_AFTER_LEAVING, pk__in=once_here)
    return [
        {"id": pk, "name": name, "on": localtime.day_text(localtime.day_of(left_at, location.tz))}
        for pk, name, left_at in gone.order_by("-left_at").values_list("pk", "name", "left_at")
        if left_at is not None
    ]


@staff_view(Permission.PEOPLE_MANAGE)
def people(request: StaffRequest) -> HttpResponse:
    """Return who works at the location, who is invited, and who has left lately."""
    location = managed_location(request, Permission.PEOPLE_MANAGE)
    context = {
        "location": location,
        "people": _team(location, request.now),
        "invited": _invited(location, request.now),
        "left": _gone(location, request.now),
    }
    return answer(request, "clinic/people.html", context)


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def invite_person(request: StaffRequest) -> HttpResponse:
    """Invite somebody to the location by e-mail."""
    location = managed_location(request, Permission.PEOPLE_MANAGE)
    form = InvitePersonForm(_data(request), mentors=_mentors(location))
    if form.is_valid():
        try:
            invitation = invitations.invite(by=request.user, location=location, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            poke.post_office()
            messages.success(request, _("%(name)s is invited. The letter is on its way.") % {"name": invitation.name})
            return go(request, "clinic:people")
    return _page(request, "clinic/invite_person.html", form, location=location)


@staff_view(Permission.PEOPLE_MANAGE, methods=POST)
def withdraw_invitation(request: StaffRequest, invitation_id: UUID) -> HttpResponse:
    """Withdraw an invitation that was not answered."""
    invitation = get_invitation_or_404(request, invitation_id)
    try:
        invitations.withdraw_invitation(by=request.user, invitation=invitation, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The invitation of %(name)s is withdrawn.") % {"name": invitation.name})
    return go(request, "clinic:people")


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def add_colleague(request: StaffRequest) -> HttpResponse:
    """Give somebody who works at another location a role at this one."""
    location = managed_location(request, Permission.PEOPLE_MANAGE)
    form = AddColleagueForm(_data(request), mentors=_mentors(location))
    if form.is_valid():
        try:
            membership = actions.start_membership_by_address(
                by=request.user, location=location, now=request.now, **form.cleaned_data
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go(request, "clinic:person", membership.user_id)
    return _page(request, "clinic/add_colleague.html", form, location=location)


def _roles(request: StaffRequest, who: User) -> list[dict[str, Any]]:
    """Return every role a person has or had, the live ones first, and whether this manager may change each."""
    managed = locations_where(request.user, Permission.PEOPLE_MANAGE)
    held = Membership.objects.filter(user=who).select_related("location", "supervisor")
    rows = []
    for membership in held.order_by(F("ended_at").desc(nulls_first=True), "location__name", "role"):
        location, ended_at = membership.location, membership.ended_at
        rows.append(
            {
                "id": membership.pk,
                "role": Role(membership.role).label,
                "location": location.name,
                "flags": _flag_texts(membership),
                "supervisor": membership.supervisor.name if membership.supervisor else "",
                "since": localtime.day_text(localtime.day_of(membership.started_at, location.tz)),
                "until": localtime.day_text(localtime.day_of(ended_at, location.tz)) if ended_at else "",
                "can_change": not ended_at and location.pk in managed and who.pk != request.user.pk,
            }
        )
    return rows


def _licences(who: User, today: date) -> list[dict[str, Any]]:
    return [
        {
            "kind": licence.get_kind_display(),
            "number": licence.number,
            "state": licence.state,
            "until": localtime.day_text(licence.expires_on),
            "is_over": not licence.is_valid_on(today),
            "is_soon": licence.expires_on <= today + EXPIRES_SOON,
        }
        for licence in Licence.objects.filter(user=who).order_by("kind", "state")
    ]


@staff_view(Permission.PEOPLE_MANAGE)
def person(request: StaffRequest, person_id: UUID) -> HttpResponse:
    """Return one member of staff: roles everywhere, licences, how they sign in."""
    who = get_person_or_404(request, person_id)
    tz = request.location.tz
    factors = Authenticator.objects.filter(user=who).exclude(type="recovery_codes").values_list("type", flat=True)
    context = {
        "person": who,
        "roles": _roles(request, who),
        "licences": _licences(who, localtime.day_of(request.now, tz)),
        "factors": sorted({str(FACTORS[factor]) for factor in factors}),
        "is_self": who.pk == request.user.pk,
        "left_on": localtime.day_text(localtime.day_of(who.left_at, tz)) if who.left_at else "",
    }
    return answer(request, "clinic/person.html", context)


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def edit_person(request: StaffRequest, person_id: UUID) -> HttpResponse:
    """Change a name or the number for urgent pages."""
    who = get_person_or_404(request, person_id, to_change=True)
    form = EditPersonForm(_data(request), initial={"name": who.name, "phone": who.phone})
    if form.is_valid():
        try:
            actions.change_details(by=request.user, person=who, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go(request, "clinic:person", who.pk)
    return _page(request, "clinic/edit_person.html", form, person=who)


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def start_membership(request: StaffRequest, person_id: UUID) -> HttpResponse:
    """Give somebody one more role at the location."""
    who = get_person_or_404(request, person_id, to_change=True)
    location = managed_location(request, Permission.PEOPLE_MANAGE)
    form = StartMembershipForm(_data(request), mentors=_mentors(location))
    if form.is_valid():
        try:
            actions.start_membership(
                by=request.user, person=who, location=location, now=request.now, **form.cleaned_data
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go(request, "clinic:person", who.pk)
    return _page(request, "clinic/start_membership.html", form, person=who, location=location)


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def change_membership(request: StaffRequest, membership_id: UUID) -> HttpResponse:
    """Change what goes with a role: dispensing, leading, directing, supervision."""
    membership = get_membership_or_404(request, membership_id)
    initial = {
        "can_dispense": membership.can_dispense,
        "is_pharmacy_lead": membership.is_pharmacy_lead,
        "is_medical_director": membership.is_medical_director,
        "supervisor": str(membership.supervisor_id or ""),
    }
    form = ChangeMembershipForm(_data(request), initial=initial, mentors=_mentors(membership.location))
    if form.is_valid():
        try:
            actions.change_membership(by=request.user, membership=membership, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go(request, "clinic:person", membership.user_id)
    role = Role(membership.role).label
    return _page(
        request, "clinic/change_membership.html", form, membership=membership, person=membership.user, role=role
    )


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def end_membership(request: StaffRequest, membership_id: UUID) -> HttpResponse:
    """End a role: GET says what follows, POST does it."""
    membership = get_membership_or_404(request, membership_id)
    refused = ""
    if request.method == "POST":
        try:
            actions.end_membership(by=request.user, membership=membership, now=request.now)
        except Refused as refusal:
            refused = str(refusal)
        else:
            messages.success(request, _("The role is ended. They are signed out everywhere."))
            return go(request, "clinic:person", membership.user_id)
    context = {
        "membership": membership,
        "person": membership.user,
        "role": Role(membership.role).label,
        "refused": refused,
    }
    return answer(request, "clinic/end_membership.html", context, status=UNPROCESSABLE if refused else 200)


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def record_licence(request: StaffRequest, person_id: UUID) -> HttpResponse:
    """Enter a licence or registration, or the new number and end of one."""
    who = get_person_or_404(request, person_id, to_change=True)
    form = RecordLicenceForm(_data(request))
    if form.is_valid():
        try:
            licences.record_licence(by=request.user, person=who, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go(request, "clinic:person", who.pk)
    return _page(request, "clinic/record_licence.html", form, person=who)


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def reset_second_factor(request: StaffRequest, person_id: UUID) -> HttpResponse:
    """Take the second factor off an account whose phone or key is gone, and end its sessions."""
    who = get_person_or_404(request, person_id, to_change=True)
    form = ResetSecondFactorForm(_data(request))
    if form.is_valid():
        try:
            actions.reset_second_factor(by=request.user, person=who, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            poke.post_office()
            said = _("%(name)s is signed out everywhere and sets up a new second factor at the next sign-in.")
            messages.success(request, said % {"name": who.name})
            return go(request, "clinic:person", who.pk)
    return _page(request, "clinic/reset_second_factor.html", form, person=who)


@staff_view(Permission.PEOPLE_MANAGE, methods=GET_POST)
def leave_person(request: StaffRequest, person_id: UUID) -> HttpResponse:
    """Record that somebody has left: GET says what follows, POST does it."""
    who = get_person_or_404(request, person_id, to_change=True)
    refused = ""
    if request.method == "POST":
        try:
            actions.leave(by=request.user, person=who, now=request.now)
        except Refused as refusal:
            refused = str(refusal)
        else:
            messages.success(
                request, _("%(name)s has left. Their work is handed over; look at the list.") % {"name": who.name}
            )
            return go(request, "clinic:worklist")
    context = {"person": who, "open_items": WorkItem.objects.open().filter(owner=who).count(), "refused": refused}
    return answer(request, "clinic/leave_person.html", context, status=UNPROCESSABLE if refused else 200)
