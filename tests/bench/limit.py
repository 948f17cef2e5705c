"""Bare views: what one query and a template, or one insert, cost on this machine and in this minute."""

import functools
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path


@functools.cache
def _table() -> Any:
    return engines["django"].from_string(
        "<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>"
    )


def day(request: HttpRequest) -> HttpResponse:
    """Return sixty visits of a location's day as a table: one query, one template."""
    start = datetime.fromisoformat(request.GET["day"]).replace(tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, p.given_name, p.family_name, u.name, to_char(a.starts_at, 'HH24:MI'), a.status"
            " FROM clinic_sessions_appointment a JOIN patients_patient p ON p.id = a.patient_id"
            " JOIN clinic_user u ON u.id = a.clinician_id"
            " WHERE a.location_id = %s AND a.starts_at >= %s AND a.starts_at < %s ORDER BY a.starts_at",
            [request.GET["location"], start, start + timedelta(days=1)],
        )
        rows = cursor.fetchall()
    return HttpResponse(_table().render({"rows": rows}))


def week(request: HttpRequest) -> HttpResponse:
    """Return the visits of a location's week as arrays, put together by the database."""
    start = datetime.fromisoformat(request.GET["day"]).replace(tzinfo=UTC)
    start -= timedelta(days=start.weekday())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT json_agg(json_build_array(a.id, a.starts_at, a.ends_at, p.given_name, p.family_name, a.status) ORDER BY a.starts_at)::text"
            " FROM clinic_sessions_appointment a JOIN patients_patient p ON p.id = a.patient_id"
            " WHERE a.location_id = %s AND a.starts_at >= %s AND a.starts_at < %s",
            [request.GET["location"], start, start + timedelta(days=7)],
        )
        return HttpResponse(cursor.fetchone()[0], content_type="application/json")


def patient(request: HttpRequest) -> HttpResponse:
    """Return one patient's name, by their id."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT given_name, family_name FROM patients_patient WHERE id = %s", [request.GET["id"]])
        return HttpResponse(" ".join(cursor.fetchone()))


def insert(request: HttpRequest) -> HttpResponse:
    """Insert one row in autocommit and return its id."""
    pk = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_limit (id, at) VALUES (%s, now())", [pk])
    return HttpResponse(str(pk))


urlpatterns = [path("day", day), path("week", week), path("patient", patient), path("insert", insert)]
if os.environ.get("DJANGO_SETTINGS_MODULE") == "tests.bench.limit_settings":
    application = get_wsgi_application()
