"""Letters, for the desk: what is in trouble first, what waits, what went, and what did not."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages as flash
from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import audit, keyset, letters, lettertrail
from clinic.access import GET, POST, Permission, get_message_or_404, holds, locations_where, staff_view
from clinic.actions import outbox
from clinic.actions.outbox import Settlement
from clinic.errors import Refused
from clinic.forms.messages import SettleMessageForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.lettertrail import Trail
from clinic.models import OutboundMessage

# The lists, the first one first. Each with its words and what its emptiness means.
LISTS: dict[str, tuple[Any, Any]] = {
    "trouble": (
        gettext_lazy("In trouble"),
        gettext_lazy("Letters that could not be sent, or that may or may not have arrived, wait here for a decision."),
    ),
    "waiting": (gettext_lazy("Waiting"), gettext_lazy("Letters queue here until their time comes.")),
    "sent": (gettext_lazy("Sent"), gettext_lazy("Letters that left are listed here, the latest first.")),
    "not_sent": (
        gettext_lazy("Not sent"),
        gettext_lazy("Letters that were withdrawn, or that nobody needed any more, are listed here with the reason."),
    ),
}
# More than these are not counted.
COUNT_UP_TO = 99

# The page of what a letter is about, by the kind of its subject. Named, not imported: they are upper floors' pages.
SUBJECT_PAGES = {
    "appointment": "sessions:appointment",
    "patient": "patients:patient",
    "referral": "patients:referral",
}


@dataclass(frozen=True)
class Entry:
    """One letter in the list."""

    id: uuid.UUID
    trail: Trail
    who: str
    url: str
    choices: list[tuple[str, Any]] = field(default_factory=list)


@staff_view(Permission.MESSAGE_READ, methods=GET)
def messages(request: StaffRequest) -> HttpResponse:
    """Show the letters of this location: in trouble, waiting, sent or not sent."""
    return answer(request, "clinic/messages.html", _context(request), part="letters")


@staff_view(Permission.MESSAGE_SETTLE, methods=POST)
def settle_message(request: StaffRequest, message_id: uuid.UUID) -> HttpResponse:
    """Record what a person found out about a letter in trouble."""
    message = get_message_or_404(request, message_id, Permission.MESSAGE_SETTLE)
    form = SettleMessageForm(request.POST)
    if form.is_valid():
        try:
            outcome = Settlement(form.cleaned_data["outcome"])
            outbox.settle(by=request.user, message=message, outcome=outcome, now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            flash.success(request, _said(outcome))
            return go(request, "clinic:messages")
    context = {**_context(request), "form": form}
    return answer(request, "clinic/messages.html", context, part="letters", status=UNPROCESSABLE)


def _said(outcome: Settlement) -> str:
    return {
        Settlement.ARRIVED: _("Noted: the letter arrived."),
        Settlement.NOT_ARRIVED: _("Noted: it did not arrive. Tell the person another way, then say so here."),
        Settlement.HANDLED: _("Noted: the person was told another way."),
    }[outcome]


def _context(request: StaffRequest) -> dict[str, Any]:
    chosen = request.GET.get("show", "")
    chosen = chosen if chosen in LISTS else "trouble"
    where = locations_where(request.user, Permission.MESSAGE_READ)
    here = OutboundMessage.objects.filter(location_id__in=where & {request.location.pk})
    path = reverse("clinic:messages")
    rows = {"trouble": here.in_trouble, "waiting": here.waiting, "sent": here.sent, "not_sent": here.not_sent}[chosen]()
    by_due = chosen == "waiting"
    page = keyset.cut(rows, "not_before" if by_due else "settled_at", request.GET, oldest_first=by_due)
    names = letters.recipient_names(page.rows)
    may_settle = chosen == "trouble" and holds(request.user, Permission.MESSAGE_SETTLE, request.location.pk)
    patients = {m.recipient_id for m in page.rows if m.recipient_kind == OutboundMessage.RecipientKind.PATIENT}
    audit.listed(request, "messages", sorted(pk for pk in patients if pk), now=request.now)
    counts = {
        "trouble": here.in_trouble()[: COUNT_UP_TO + 1].count(),
        "waiting": here.waiting()[: COUNT_UP_TO + 1].count(),
    }
    return {
        "title": LISTS[chosen][0],
        "empty": LISTS[chosen][1],
        "tabs": [
            {
                "label": label,
                "url": path if name == "trouble" else f"{path}?show={name}",
                "is_current": name == chosen,
                "count": _count(counts.get(name, 0)),
                "is_loud": name == "trouble",
            }
            for name, (label, _empty) in LISTS.items()
        ],
        "entries": [_entry(message, names, may_settle, request) for message in page.rows],
        "older_url": page.links(path, show=chosen)["older"],
        "newer_url": path + (f"?show={chosen}" if chosen != "trouble" else "") if request.GET.get("after") else "",
    }


def _count(number: int) -> str:
    return f"{COUNT_UP_TO}+" if number > COUNT_UP_TO else str(number or "")


def _entry(message: OutboundMessage, names: dict[uuid.UUID, str], may_settle: bool, request: StaffRequest) -> Entry:
    who = names.get(message.recipient_id, "") if message.recipient_id else ""
    return Entry(
        id=message.pk,
        trail=lettertrail.of_message(message, request.location.tz),
        who=who or str(message.get_recipient_kind_display()),
        url=_subject_url(message),
        choices=_choices(message) if may_settle else [],
    )


def _choices(message: OutboundMessage) -> list[tuple[str, Any]]:
    asked = list(Settlement) if message.is_in_doubt else [Settlement.HANDLED]
    return [(choice.value, choice.label) for choice in asked]


def _subject_url(message: OutboundMessage) -> str:
    """Return the page of what the letter is about, else of the patient it went to, else ""."""
    name, key = SUBJECT_PAGES.get(message.subject_type), message.subject_id
    if name is None and message.recipient_kind == OutboundMessage.RecipientKind.PATIENT and message.recipient_id:
        name, key = SUBJECT_PAGES["patient"], message.recipient_id
    try:
        return reverse(name, args=[key]) if name else ""
    except NoReverseMatch:
        return ""
