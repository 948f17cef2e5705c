"""What surrounds a page: the rail, the palette, who and where one is. Pages are named by URL, never imported."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic import keptforms, sessionlife
from clinic.access import Permission, holds, memberships_of
from clinic.homelocation import patient_behind, public_name
from clinic.models import Location, Role, User, WorkItem

CRISIS = {"call": "988", "emergency": "911"}


@dataclass(frozen=True)
class Page:
    """A page of the rail, or of the menu of all pages that the palette goes through: who may open it is asked of the permission."""

    label: Any
    icon: str
    url_name: str
    permission: Permission
    hint: Any = ""
    in_rail: bool = True


PAGES: tuple[Page, ...] = (
    Page(gettext_lazy("Today"), "sun", "sessions:today", Permission.APPOINTMENT_READ),
    Page(gettext_lazy("Schedule"), "calendar3", "sessions:schedule", Permission.APPOINTMENT_READ),
    Page(gettext_lazy("Waitlist"), "hourglass-split", "sessions:waitlist", Permission.APPOINTMENT_BOOK, in_rail=False),
    Page(gettext_lazy("Enquiries"), "inbox", "patients:referrals", Permission.REFERRAL_READ),
    Page(gettext_lazy("Patients"), "people", "patients:patients", Permission.PATIENT_READ),
    Page(gettext_lazy("Work to do"), "list-check", "clinic:worklist", Permission.WORK_ITEM_CLOSE),
    Page(gettext_lazy("Alerts"), "heart-pulse", "assessments:alerts", Permission.ALERT_READ),
    Page(
        gettext_lazy("Questionnaires"),
        "ui-checks",
        "assessments:open_requests",
        Permission.QUESTIONNAIRE_STATUS,
        hint=gettext_lazy("what is asked and not answered yet"),
    ),
    Page(gettext_lazy("Clearances"), "clipboard2-check", "assessments:clearances", Permission.CLEARANCE_DECIDE),
    Page(gettext_lazy("Letters"), "envelope", "clinic:messages", Permission.MESSAGE_READ),
    Page(gettext_lazy("On call"), "telephone-forward", "clinic:rota", Permission.ROTA_READ, in_rail=False),
    Page(gettext_lazy("Utilisation"), "bar-chart", "sessions:utilisation_report", Permission.HOURS_MANAGE),
    Page(gettext_lazy("Office"), "building", "clinic:office", Permission.PLACES_MANAGE),
    Page(gettext_lazy("Policy in force"), "shield-check", "clinic:policy", Permission.POLICY_READ),
    Page(gettext_lazy("What patients sign"), "pen", "patients:consent_texts", Permission.CONSENT_TEXT_MANAGE),
    Page(gettext_lazy("Emergency openings"), "unlock", "patients:break_glass_reviews", Permission.BREAK_GLASS_REVIEW),
    Page(gettext_lazy("Audit"), "journal-text", "clinic:audit_log", Permission.AUDIT_READ),
    Page(
        gettext_lazy("Register a patient"),
        "person-plus",
        "patients:register_patient",
        Permission.PATIENT_WRITE,
        in_rail=False,
    ),
    Page(
        gettext_lazy("Enter an enquiry"),
        "telephone",
        "patients:enter_referral",
        Permission.REFERRAL_MANAGE,
        in_rail=False,
    ),
    Page(
        gettext_lazy("Instruments"),
        "card-checklist",
        "assessments:instruments",
        Permission.INSTRUMENT_MANAGE,
        hint=gettext_lazy("what may be shown, and under which permission"),
        in_rail=False,
    ),
    Page(
        gettext_lazy("What is asked when"),
        "calendar-week",
        "assessments:asking_rules",
        Permission.INSTRUMENT_MANAGE,
        in_rail=False,
    ),
    Page(gettext_lazy("People"), "person-badge", "clinic:people", Permission.PEOPLE_MANAGE, in_rail=False),
    Page(gettext_lazy("Rooms and equipment"), "door-open", "clinic:rooms", Permission.PLACES_MANAGE, in_rail=False),
    Page(gettext_lazy("Hours and time off"), "clock", "clinic:hours", Permission.HOURS_MANAGE, in_rail=False),
    Page(gettext_lazy("Enrolled devices"), "tablet", "clinic:devices", Permission.DEVICE_MANAGE, in_rail=False),
)

PORTAL_TABS: tuple[tuple[Any, str, str], ...] = (
    (gettext_lazy("Home"), "house", "sessions:portal_home"),
    (gettext_lazy("To do"), "list-check", "assessments:to_do"),
    (gettext_lazy("Visits"), "calendar3", "sessions:portal_visits"),
    (gettext_lazy("Me"), "person", "patients:portal_me"),
)


def current_location(request: HttpRequest) -> Location | None:
    """Return the location the person works at now: the one chosen in the top bar, else the first of theirs."""
    if not isinstance(request.user, User):
        return None
    own = {m.location_id: m.location for m in memberships_of(request.user)}
    chosen = request.session.get("location_id")
    try:
        return own[uuid.UUID(str(chosen))]
    except (KeyError, ValueError):
        return next(iter(own.values()), None)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return ``shell`` for the layouts; nothing is asked of the database by a page that does not show it."""
    return {"shell": SimpleLazyObject(lambda: _shell(request))}


def _shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    base: dict[str, Any] = {
        "crisis": CRISIS,
        "demo": settings.DEMO_MODE,
        "clinic_name": "",
        "nav": [],
        "pages": [],
        "portal_tabs": [],
        "locations": [],
        "bell_count": 0,
        "alarm": None,
        "who": None,
        "kept": None,
        "time_left": None,
    }
    if not isinstance(user, User):
        return {**base, "clinic_name": public_name()}
    base["kept"] = keptforms.on_this_page(request)
    base["time_left"] = sessionlife.left(request, user)
    here = request.path
    if user.is_patient:
        known = patient_behind(user)
        base["clinic_name"] = known.location.alias if known else public_name()
        base["who"] = {"name": user.name, "role": _("patient"), "initials": user.initials}
        base["portal_tabs"] = [_entry(label, icon, url_name, here) for label, icon, url_name in PORTAL_TABS]
        return base
    location = current_location(request)
    memberships = memberships_of(user)
    roles = [Role(m.role).label for m in memberships if location and m.location_id == location.pk]
    pages = [page for page in PAGES if holds(user, page.permission)]
    bell, alarms = _bell(user)
    base.update(
        who={
            "name": user.name,
            "role": ", ".join(str(role) for role in roles),
            "initials": user.initials,
            "gives_visits": any(Role(m.role).is_clinician for m in memberships),
        },
        clinic_name=location.alias if location else settings.SITE_NAME,
        nav=_nearest([_entry(page.label, page.icon, page.url_name, here) for page in pages if page.in_rail]),
        pages=_nearest([{**_entry(page.label, page.icon, page.url_name, here), "hint": page.hint} for page in pages]),
        locations=[
            {"id": str(place.pk), "name": place.name, "is_current": location is not None and place.pk == location.pk}
            for place in {m.location_id: m.location for m in memberships}.values()
        ],
        bell_count=bell,
        alarm=_alarm(user, alarms),
    )
    return base


# What stands in the banner over every page of the person who has to answer it.
ALARMS = frozenset({WorkItem.Kind.PAGE, WorkItem.Kind.RISK_ALERT})


def bell_count(user: User) -> int:
    """Return how many open work items are this person's: their own, and their roles' where they hold them."""
    return _bell(user)[0]


def _bell(user: User) -> tuple[int, int]:
    """Return the number of this person's open work items, and of the alarms among them, in one query."""
    counted: tuple[int, int] | None = getattr(user, "_bell", None)
    if counted is None:
        mine = WorkItem.objects.mine(user, memberships_of(user))
        found = mine.aggregate(all=Count("pk"), alarms=Count("pk", filter=Q(kind__in=ALARMS)))
        counted = (found["all"], found["alarms"])
    return counted


def remember_bell_count(user: User, count: int, alarms: int) -> None:
    """Keep what a page has counted anyway, so that the bell does not count the same rows again in this request."""
    user._bell = (count, alarms)  # type: ignore[attr-defined]  # a per-request cache on the instance


def _alarm(user: User, count: int) -> dict[str, str] | None:
    """Return the banner of somebody who has an alarm to answer: its words, and where they lead; None for everybody else."""
    if not count:
        return None
    may_answer = holds(user, Permission.ALERT_READ)
    return {
        "text": ngettext(
            "Clinician contact required: %(n)d alarm is waiting for you.",
            "Clinician contact required: %(n)d alarms are waiting for you.",
            count,
        )
        % {"n": count},
        "url": reverse("assessments:alerts" if may_answer else "clinic:worklist"),
    }


def _nearest(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries with one current page at most: of /office/ and /office/policy/ the longer one."""
    nearest = max((entry["url"] for entry in entries if entry["is_current"]), key=len, default="")
    return [{**entry, "is_current": entry["url"] == nearest} for entry in entries]


@functools.cache
def _path(url_name: str) -> str:
    """Return a page's path, reckoned once a process: every page of the shell names two dozen."""
    return reverse(url_name)


def _entry(label: Any, icon: str, url_name: str, here: str) -> dict[str, Any]:
    url = _path(url_name)
    return {
        "label": str(label),
        "icon": icon,
        "url": url,
        # Everything of the portal lies under its home.
        "is_current": here == url or (url not in {"/", "/portal/"} and here.startswith(url)),
    }
