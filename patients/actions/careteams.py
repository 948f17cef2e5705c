"""Who looks after a patient, and emergency openings of a chart by those who do not."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, localtime
from clinic.access import CLINICIANS, Permission, holds, memberships_of
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import Role, User, WorkItem
from patients.models import BREAK_GLASS_LASTS, BreakGlass, CareTeamMember, Patient

# Emergency openings are reviewed every week (domain.md 9.1).
REVIEW_WITHIN = timedelta(days=7)
NOTICE_WITHIN = timedelta(days=1)


class NotYourTeam(Refused):
    """A clinician changes the teams they are on; otherwise every chart would be one press of a button away."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "You are not on this care team. Ask its lead or a manager to add you; in an emergency, open the chart with a reason."
            )
        )


class NotAClinicianHere(Refused):
    """Care teams are made of the clinicians of the patient's location."""

    def __init__(self, user: User) -> None:
        super().__init__(
            _("%(name)s does not work as a clinician at this patient's location. Choose somebody who does.")
            % {"name": user.name}
        )


class AlreadyOnTheTeam(Refused):
    """The person is on the team."""

    def __init__(self, user: User) -> None:
        super().__init__(_("%(name)s is on this care team already.") % {"name": user.name})


class NoLongerOnTheTeam(Refused):
    """Somebody took the person off the team first."""

    def __init__(self) -> None:
        super().__init__(_("This person is no longer on the care team. Reload the page to see who is."))


class LeadMustBeReplaced(Refused):
    """A team of several has a lead."""

    def __init__(self) -> None:
        super().__init__(_("The lead cannot leave while others stay. Make somebody else the lead first."))


class ChartIsOpenToYou(Refused):
    """The person can read the chart already."""

    def __init__(self, until: str = "") -> None:
        super().__init__(
            _("The chart is open to you until %(until)s already.") % {"until": until}
            if until
            else _("You are on this care team: the chart is open to you without an emergency.")
        )


class ReasonNotYours(Refused):
    """A privacy officer reads for a privacy review, a clinician for care."""

    def __init__(self) -> None:
        super().__init__(_("This reason does not go with your role. Choose one of those offered."))


class NotYourOwn(Refused):
    """Nobody reviews their own opening."""

    def __init__(self) -> None:
        super().__init__(_("You opened this chart yourself. Another privacy officer has to review it."))


class AlreadyReviewed(Refused):
    """Somebody reviewed it first."""

    def __init__(self) -> None:
        super().__init__(_("This opening has been reviewed. Reload the list to see the finding."))


def _locked(patient: Patient) -> Patient:
    rows = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("home_location")
    return rows.get(pk=patient.pk)


def _team(patient: Patient) -> list[CareTeamMember]:
    return list(CareTeamMember.objects.live().filter(patient=patient).select_related("user").order_by("since", "id"))


def _must_be_able_to_manage(by: User, patient: Patient, team: list[CareTeamMember]) -> None:
    """Let managers change any team, clinicians their own, and any clinician begin one that has nobody yet."""
    is_manager = any(m.role == Role.MANAGER and m.location_id == patient.home_location_id for m in memberships_of(by))
    if not is_manager and team and all(member.user_id != by.pk for member in team):
        raise NotYourTeam


@transaction.atomic
def add(*, by: User, patient: Patient, user: User, now: datetime) -> CareTeamMember:
    """Return the new member. The first of a team leads it.

    Refuses people who are no clinicians at the patient's location, a second time on the team, and clinicians who are
    not on the team themselves.
    """
    patient = _locked(patient)
    team = _team(patient)
    _must_be_able_to_manage(by, patient, team)
    if not User.objects.working_at(patient.home_location_id, *CLINICIANS).filter(pk=user.pk).exists():
        raise NotAClinicianHere(user)
    if any(member.user_id == user.pk for member in team):
        raise AlreadyOnTheTeam(user)
    member = CareTeamMember.objects.create(patient=patient, user=user, is_lead=not team, added_by=by, since=now)
    _record(by, member, patient, "added", now)
    return member


@transaction.atomic
def remove(*, by: User, member: CareTeamMember, now: datetime) -> CareTeamMember:
    """Return the membership, ended. Refuses the lead while others stay, and one that has ended already."""
    patient = _locked(member.patient)
    team = _team(patient)
    _must_be_able_to_manage(by, patient, team)
    found = _in(team, member)
    if found.is_lead and len(team) > 1:
        raise LeadMustBeReplaced
    found.ended_at, found.ended_by, found.is_lead = now, by, False
    found.save(update_fields=["ended_at", "ended_by", "is_lead"])
    _record(by, found, patient, "removed", now)
    return found


@transaction.atomic
def set_lead(*, by: User, member: CareTeamMember, now: datetime) -> CareTeamMember:
    """Return the membership that leads the team from now on. Refuses one that has ended. Twice is once."""
    patient = _locked(member.patient)
    team = _team(patient)
    _must_be_able_to_manage(by, patient, team)
    found = _in(team, member)
    if found.is_lead:
        return found
    for other in team:
        if other.is_lead:
            other.is_lead = False
            other.save(update_fields=["is_lead"])
    found.is_lead = True
    found.save(update_fields=["is_lead"])
    _record(by, found, patient, "leads", now)
    return found


def _in(team: list[CareTeamMember], member: CareTeamMember) -> CareTeamMember:
    found = next((row for row in team if row.pk == member.pk), None)
    if found is None:
        raise NoLongerOnTheTeam
    return found


def _record(by: User, member: CareTeamMember, patient: Patient, change: str, now: datetime) -> None:
    audit.record(
        by, audit.Verb.CARE_TEAM_CHANGED, member, now=now, location_id=patient.home_location_id,
        details={"change": change, "member": str(member.user_id)},
    )  # fmt: skip


def reasons_for(*, user: User, patient: Patient) -> list[BreakGlass.Reason]:
    """Return the reasons for which this person may open this patient's chart without being on the team."""
    review = BreakGlass.Reason.PRIVACY_REVIEW
    roles = {m.role for m in memberships_of(user) if m.location_id == patient.home_location_id}
    care = [reason for reason in BreakGlass.Reason if reason != review]
    return [*(care if roles & CLINICIANS else []), *([review] if Role.PRIVACY_OFFICER in roles else [])]


@transaction.atomic
def break_glass(*, by: User, patient: Patient, reason: str, reason_text: str, now: datetime) -> BreakGlass:
    """Return the grant: this one chart, two hours. The care team's lead is told, and a privacy officer reviews it.

    Refuses members of the team, who hold a grant already or whose role does not go with the reason.
    """
    patient = _locked(patient)
    if CareTeamMember.objects.live().filter(patient=patient, user=by).exists() and holds(
        by, Permission.CHART_READ, patient.home_location_id
    ):
        raise ChartIsOpenToYou
    grant = BreakGlass.objects.live(now).filter(patient=patient, user=by).first()
    if grant is not None:
        raise ChartIsOpenToYou(localtime.moment_text(grant.expires_at, patient.home_location.tz))
    if reason not in reasons_for(user=by, patient=patient):
        raise ReasonNotYours
    grant = BreakGlass.objects.create(
        patient=patient,
        user=by,
        reason=reason,
        reason_text=reason_text,
        started_at=now,
        expires_at=now + BREAK_GLASS_LASTS,
    )
    audit.record(
        by, audit.Verb.BREAK_GLASS_USED, grant, now=now, location_id=patient.home_location_id,
        details={"reason": reason},
    )  # fmt: skip
    for member in _team(patient):
        if member.is_lead:
            worklist.open_item(
                by=by, kind=WorkItem.Kind.BREAK_GLASS_NOTICE, location=patient.home_location, owner=member.user,
                subject_type="breakglass", subject_id=grant.pk, patient_id=patient.pk, due_at=now + NOTICE_WITHIN,
                now=now,
            )  # fmt: skip
    worklist.open_item(
        by=by, kind=WorkItem.Kind.BREAK_GLASS_REVIEW, location=patient.home_location,
        owner_role=Role.PRIVACY_OFFICER, subject_type="breakglass", subject_id=grant.pk, patient_id=patient.pk,
        due_at=now + REVIEW_WITHIN, now=now,
    )  # fmt: skip
    return grant


@transaction.atomic
def review_break_glass(*, by: User, grant: BreakGlass, finding: str, note: str, now: datetime) -> BreakGlass:
    """Return the opening with its finding. Refuses one's own, and one that was reviewed already."""
    grant = BreakGlass.objects.select_for_update(no_key=True, of=("self",)).select_related("patient").get(pk=grant.pk)
    if grant.user_id == by.pk:
        raise NotYourOwn
    if grant.reviewed_at is not None:
        raise AlreadyReviewed
    grant.reviewed_at, grant.reviewed_by, grant.finding, grant.finding_note = now, by, finding, note
    grant.save(update_fields=["reviewed_at", "reviewed_by", "finding", "finding_note"])
    audit.record(
        by, audit.Verb.BREAK_GLASS_REVIEWED, grant, now=now, location_id=grant.patient.home_location_id,
        details={"finding": finding},
    )  # fmt: skip
    worklist.close_about(
        by=by, kind=WorkItem.Kind.BREAK_GLASS_REVIEW, subject_id=grant.pk, outcome=WorkItem.Outcome.DONE, now=now
    )
    return grant
