"""How the schedule opens for somebody, on whatever device: kept by a press, never by looking."""

from django.contrib import messages
from django.http import HttpResponse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from clinic.access import POST, Permission, staff_view
from clinic.http import StaffRequest, go_to
from sessions.actions import ownviews
from sessions.models import OwnView
from sessions.views.asked import asked_of


def own_of(request: StaffRequest) -> dict[str, object] | None:
    """Return the view this person keeps, as a session keeps its own, or None. One query."""
    kept = OwnView.objects.filter(user=request.user).values_list("span", "grouping", "only").first()
    return {"view": kept[0], "by": kept[1], "only": [str(pk) for pk in kept[2]]} if kept else None


@staff_view(Permission.APPOINTMENT_READ, methods=POST)
def keep_view(request: StaffRequest) -> HttpResponse:
    """Keep what is looked at as the way the schedule opens. What is unknown means the default, as on the schedule."""
    try:
        day = parse_date(request.POST.get("day", ""))
    except ValueError:
        day = None
    asked = asked_of(request, day)
    ownviews.keep(by=request.user, **asked.kept_as)
    request.session["schedule"] = asked.choice
    messages.success(request, _("Kept: your schedule opens like this, on every device you sign in on."))
    return go_to(request, asked.url())
