"""One call about an alarm: who was called and who is on call, and the button that answers it.

Whom it is about stands behind a link of its own, for those who may open it; a manager who was called because nobody else
could be finds here whom to ring up.
"""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic import calltrail, localtime, oncall, subjects
from clinic.access import POST, Permission, get_page_or_404, staff_view
from clinic.actions import pages as actions
from clinic.errors import Refused
from clinic.http import StaffRequest, answer, go, go_to
from clinic.models import OnCall, Page, WorkItem
from clinic.subjects import Label


def _label(request: StaffRequest, page: Page) -> Label | None:
    """Return how what the page is about is called, if this person may open it."""
    item = WorkItem(subject_type=page.subject_type, subject_id=page.subject_id)
    return subjects.labels(request.user, [item], request.now).get(page.subject_id)


def _on_call(page: Page, request: StaffRequest) -> list[dict[str, Any]]:
    duties = OnCall.objects.at(page.location, request.now).select_related("user").order_by("tier")
    return [
        {"name": duty.user.name, "phone": duty.user.phone, "duty": duty.get_tier_display(),
         "until": localtime.moment_text(duty.ends_at, page.location.tz)}
        for duty in duties
    ]  # fmt: skip


@staff_view(Permission.STAFF)
def page(request: StaffRequest, page_id: UUID) -> HttpResponse:
    """Return one page: what is known of the calls, and the way to whom they are about."""
    page = get_page_or_404(request, page_id)
    tz = page.location.tz
    is_clinician = oncall.is_clinician(request.user, page.location_id)
    context = {
        "page": page,
        "since": localtime.moment_text(page.opened_at, tz),
        "age": localtime.age_text(page.opened_at, request.now),
        "next": localtime.moment_text(page.next_at, tz),
        "answered": localtime.moment_text(page.acknowledged_at, tz) if page.acknowledged_at else "",
        "closed": localtime.moment_text(page.closed_at, tz) if page.closed_at else "",
        "trail": calltrail.of_pages([page.pk], tz),
        "on_call": _on_call(page, request),
        "others": [] if is_clinician else oncall.clinicians(page.location),
        "about": _label(request, page),
        "can_answer": is_clinician and page.is_ringing,
        "is_clinician": is_clinician,
    }
    return answer(request, "clinic/page.html", context)


@staff_view(Permission.STAFF, methods=POST)
def acknowledge_page(request: StaffRequest, page_id: UUID) -> HttpResponse:
    """Answer a call, and go on to whom it is about."""
    page = get_page_or_404(request, page_id)
    try:
        actions.acknowledge(by=request.user, page=page, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return go(request, "clinic:page", page_id=page.pk)
    messages.success(request, _("You have answered. Nobody else is called; reach the patient now."))
    about = _label(request, page)
    return go_to(request, about.url) if about else go(request, "clinic:page", page_id=page.pk)
