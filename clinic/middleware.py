"""What surrounds every request: one moment, one id, private by default, a live session, a schema that fits."""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pghistory
import structlog
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import audit, clock, keptforms
from clinic.access import Policy
from clinic.http import go_to
from clinic.models import User
from clinic.navigation import current_location
from clinic.policy import LimitNotSet, NoPolicyInForce
from clinic.sessionlife import ABSOLUTE_LIFE, TOUCH_EVERY, idle_limit

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def client_address(request: HttpRequest) -> str | None:
    """Return the address the request came from, believing only as many proxies as settings vouch for."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    trusted = settings.TRUSTED_PROXY_COUNT
    if trusted and len(hops) >= trusted:
        return hops[-trusted]
    return request.META.get("REMOTE_ADDR") or None


def private_by_default(get_response: GetResponse) -> GetResponse:
    """Give the request its moment, id and audit facts, and the answer ``no-store`` unless a view said otherwise."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.now = clock.now()  # type: ignore[attr-defined]  # OurRequest.now
        given = structlog.contextvars.get_contextvars().get("request_id")
        token = audit.facts.set(
            audit.RequestFacts(request_id=str(given or uuid.uuid4())[:40], address=client_address(request))
        )
        try:
            with audit.writes_afterwards():
                response = get_response(request)
        finally:
            audit.facts.reset(token)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=(), interest-cohort=()"
        )
        return response

    return middleware


class _Schema:
    """Whether the database has exactly the migrations this code knows. A good answer is kept, a bad one asked again."""

    fits = False
    asked_at = float("-inf")

    def __init__(self) -> None:
        self.asking = threading.Lock()

    def check(self) -> bool:
        if self.fits:
            return True
        # A process's first requests come at once: they wait for the first answer instead of taking none for a bad one.
        with self.asking:
            if not self.fits and time.monotonic() - self.asked_at >= 2:
                self.fits = self._ask()
                self.asked_at = time.monotonic()
            return self.fits

    @staticmethod
    def _ask() -> bool:
        executor = MigrationExecutor(connection)
        known = set(executor.loader.graph.nodes) | set(executor.loader.replacements)
        ours = {label for label, _name in known}
        ahead = {key for key in executor.loader.applied_migrations if key[0] in ours and key not in known}
        return not executor.migration_plan(executor.loader.graph.leaf_nodes()) and not ahead


schema = _Schema()


def schema_must_match(get_response: GetResponse) -> GetResponse:
    """Refuse to serve on a database whose migrations are not this code's: wrong columns lose readings quietly."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path != "/healthz" and not schema.check():
            return HttpResponse(
                _("The database is being upgraded. Nothing was saved; please try again in a few minutes."),
                status=503, content_type="text/plain; charset=utf-8", headers={"Retry-After": "60", "Cache-Control": "no-store"},
            )  # fmt: skip
        return get_response(request)

    return middleware


class session_must_be_live:
    """End sessions that idled or grew old, keep staff without a second factor out, and tell the audit who is here."""

    # Where a member of staff without a second factor may go: to get one, or away.
    ENROLMENT = (
        "mfa_", "account_logout", "account_reauthenticate", "clinic:help_now", "clinic:healthz", "clinic:still_here",
        "clinic:time_left",
    )  # fmt: skip

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if isinstance(user, User):
            ended = self._ended(request, user)
            if ended:
                location_id, key = request.session.get("location_id"), request.session.session_key or ""
                logout(request)
                keptforms.remember_who_left(request, user, location_id, key)
                messages.info(request, ended)
        response = self.get_response(request)
        keptforms.settle(request, response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        user = request.user
        match = request.resolver_match
        page = match.view_name if match else ""
        self._tell_audit(request, page)
        if not isinstance(user, User):
            return None
        self._touch(request, getattr(view, "policy", None))
        if user.is_staff_member:
            request.location = current_location(request)  # type: ignore[attr-defined]  # StaffRequest.location
        if page.startswith(self.ENROLMENT) or settings.DEMO_MODE or not user.is_staff_member:
            return None
        if not self._has_second_factor(request, user):
            # The page says why one is there.
            return go_to(request, reverse("mfa_index"))
        return None

    @staticmethod
    def _ended(request: HttpRequest, user: User) -> str:
        """Return the sentence that says why the session is over, or nothing while it lives."""
        now: datetime = request.now  # type: ignore[attr-defined]  # set by private_by_default
        began, seen = request.session.get("began_at"), request.session.get("seen_at")
        if began is None or seen is None:
            request.session["began_at"] = request.session["seen_at"] = now.timestamp()
            return ""
        if now.timestamp() - began > ABSOLUTE_LIFE.total_seconds():
            return _("You were signed out after twelve hours. Please sign in again.")
        if now.timestamp() - seen > idle_limit(user, now).total_seconds():
            return _("You were signed out because nothing happened for a while. Please sign in again.")
        return ""

    @staticmethod
    def _touch(request: HttpRequest, view_policy: Policy | None) -> None:
        now: datetime = request.now  # type: ignore[attr-defined]  # set by private_by_default
        if view_policy is not None and view_policy.is_poll:
            return
        if now.timestamp() - request.session.get("seen_at", 0) > TOUCH_EVERY.total_seconds():
            request.session["seen_at"] = now.timestamp()

    @staticmethod
    def _has_second_factor(request: HttpRequest, user: User) -> bool:
        if request.session.get("second_factor"):
            return True
        if is_mfa_enabled(user):
            request.session["second_factor"] = True
            return True
        return False

    @staticmethod
    def _tell_audit(request: HttpRequest, page: str) -> None:
        key = request.session.session_key or ""
        before = audit.facts.get()
        audit.facts.set(
            audit.RequestFacts(
                request_id=before.request_id,
                session_hash=hashlib.sha256(key.encode()).hexdigest()[:16] if key else "",
                address=before.address,
                page=page[:80],
            )
        )
        structlog.contextvars.bind_contextvars(route=page)


class limits_must_be_set:
    """Say in a sentence what a medical director has to approve, where a page needs a limit that nobody has set."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page for a limit that is not set; every other exception takes its course."""
        if not isinstance(exception, LimitNotSet | NoPolicyInForce):
            return None
        return render(request, "errors/limit_not_set.html", {"refusal": exception}, status=409)


def history_knows_who(get_response: GetResponse) -> GetResponse:
    """Put the person's id beside every history row that an act of theirs writes."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method in {"GET", "HEAD", "OPTIONS"} or not isinstance(request.user, User):
            return get_response(request)
        with pghistory.context(user=str(request.user.pk)):
            return get_response(request)

    return middleware
