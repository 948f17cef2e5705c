"""How the ground floor's own subjects of work are called: letters in trouble, and colleagues who left work behind."""

import uuid
from collections.abc import Mapping
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import letters, localtime, subjects
from clinic.access import Permission, locations_where, pages_open_to
from clinic.models import Location, Membership, OutboundMessage, PolicyVersion, User
from clinic.subjects import Label


def _letters(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return whom letters are for. What they were about is said by the list of letters."""
    here = locations_where(user, Permission.MESSAGE_READ)
    found = list(OutboundMessage.objects.filter(pk__in=ids, location_id__in=here))
    names = letters.recipient_names(found)
    url = reverse("clinic:messages")
    return {
        message.pk: Label(
            name=names.get(message.recipient_id, "") if message.recipient_id else "",
            about=letters.label_of(message.kind),
            url=url,
            patient_id=message.recipient_id
            if message.recipient_kind == OutboundMessage.RecipientKind.PATIENT
            else None,
        )
        for message in found
    }


def _people(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return the names of colleagues at the locations whose people this person manages."""
    here = Membership.objects.filter(location_id__in=locations_where(user, Permission.PEOPLE_MANAGE))
    found = User.objects.staff().filter(pk__in=ids).filter(pk__in=here.values("user_id")).values_list("pk", "name")
    return {pk: Label(name=name, url=reverse("clinic:person", kwargs={"person_id": pk})) for pk, name in found}


def _pages(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return the way to a page. Whom it is about is said there, and only to those who may know."""
    return {
        page.pk: Label(
            name="", about=localtime.moment_text(page.opened_at, page.location.tz),
            url=reverse("clinic:page", kwargs={"page_id": page.pk}),
        )
        for page in pages_open_to(user).filter(pk__in=ids)
    }  # fmt: skip


def _locations(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return the rota of the locations whose rota this person may read."""
    found = Location.objects.filter(pk__in=ids & locations_where(user, Permission.ROTA_READ)).values_list("pk", "name")
    return {pk: Label(name=name, url=reverse("clinic:rota")) for pk, name in found}


def _policies(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return the numbers of drafts of the policy, for those who may work on them."""
    if not locations_where(user, Permission.POLICY_DRAFT):
        return {}
    found = PolicyVersion.objects.filter(pk__in=ids).values_list("pk", "number")
    url = reverse("clinic:approve_policy")
    return {pk: Label(name=_("Policy, version %(n)d") % {"n": number}, url=url) for pk, number in found}


def register_own() -> None:
    """Declare the ground floor's own subjects of work in clinic.subjects."""
    subjects.register("outboundmessage", _letters)
    subjects.register("location", _locations)
    subjects.register("page", _pages)
    subjects.register("user", _people)
    subjects.register("policyversion", _policies)
