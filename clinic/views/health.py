"""The machine's own pulse: database, migrations, Redis, worker, beat."""

from datetime import timedelta

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from clinic import clock
from clinic.access import public_view
from clinic.middleware import schema
from clinic.models import Page

# A heartbeat older than this means that the worker or beat stands still (beat asks for one every 15 s).
PULSE_STALE_AFTER_SECONDS = 60
# Beat asks for due calls every 20 s.
PAGES_LATE_AFTER = timedelta(minutes=2)


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _redis() -> bool:
    cache.set("healthz", "1", 10)
    return bool(cache.get("healthz") == "1")


def _pulse_age() -> float | None:
    """Return seconds since the last heartbeat, which beat asks for and a worker writes; None when there is none."""
    at = cache.get("pulse")
    return None if at is None else max(0.0, clock.now().timestamp() - float(at))


def _pages() -> dict[str, bool]:
    """Return whether every alarm is being called about, was answered before its ladder ended, and got a letter out.

    For whoever watches over the machine. They don't make it unwell: a load balancer must not take the portal, and the
    crisis numbers on it, from a patient because a clinician does not answer.
    """
    ringing = Page.objects.ringing()
    troubles = {
        "pages_called": ringing.filter(next_at__lt=clock.now() - PAGES_LATE_AFTER),
        "pages_answered": ringing.filter(round__gt=0),
        "pages_delivered": ringing.reaching_nobody(),
    }
    try:
        return {name: not pages.exists() for name, pages in troubles.items()}
    except DatabaseError:  # a schema that does not fit
        return dict.fromkeys(troubles, False)


@public_view(because="Load balancers ask it; it says which part stands still and nothing else.")
def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 when every part works, else 503, with one word for each part."""
    parts: dict[str, bool] = {}
    for name, works in {"database": _database, "migrations": schema.check, "redis": _redis}.items():
        try:
            parts[name] = works()
        except Exception:  # whatever the part says, the answer is that it does not work
            parts[name] = False
    age = None
    if parts["redis"]:
        age = _pulse_age()
    parts["worker_and_beat"] = age is not None and age < PULSE_STALE_AFTER_SECONDS
    body = {"ok": all(parts.values()), **parts, "pulse_age_seconds": None if age is None else round(age, 1)}
    if parts["database"]:
        body |= _pages()
    return JsonResponse(body, status=200 if body["ok"] else 503)
