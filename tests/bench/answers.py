"""W5: a PHQ-9 handed in, with its score, its screening and its audit; and one answer kept as it is picked."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from assessments import definitions
from assessments.models import AssessmentRequest
from clinic import clock
from clinic.models import User
from patients.models import Patient

from . import load
from .seeding import Seeded

# People who hand in during one measurement, each with so many questionnaires to go.
PEOPLE, EACH = 400, 40
KEEPERS = 80


@dataclass
class Answers:
    """Requests with their sessions' keys: each to be handed in once, and some to be changed again and again."""

    to_hand_in: list[tuple[str, uuid.UUID]]
    to_keep: list[tuple[str, uuid.UUID]]

    def hand_in(self, number: int, csrf: str) -> load.Request:
        """Return the post that hands in that questionnaire. Nothing in it alarms anybody."""
        key, request = self.to_hand_in[number]
        return _post(key, request, "", {"hand_in": "on", "revision": "1"}, csrf)

    def keep(self, number: int, turn: int, csrf: str) -> load.Request:
        """Return the post by which a page keeps what was just picked."""
        key, request = self.to_keep[(number * 20 + turn % 20) % KEEPERS]
        return _post(key, request, "?question=q1", {"answer-q1": str(turn // 20 % 4), "next": "save"}, csrf)


def _post(key: str, request: uuid.UUID, query: str, body: dict[str, str], csrf: str) -> load.Request:
    headers = {
        "Cookie": f"{settings.SESSION_COOKIE_NAME}={key}; {settings.CSRF_COOKIE_NAME}={csrf}", "X-CSRFToken": csrf,
        "Content-Type": "application/x-www-form-urlencoded", "Host": "localhost",
        **({"HX-Request": "true"} if query else {}),
    }  # fmt: skip
    return (
        "POST",
        reverse("assessments:answer_questionnaire", args=[request]) + query,
        urlencode(body).encode(),
        headers,
    )


def prepare(seeded: Seeded, session_of: Callable[[User], str]) -> Answers:
    """Give patients of the first place a portal, and questionnaires that they have answered and not handed in."""
    now = clock.now()
    found = list(Patient.objects.filter(portal_user=None, home_location_id=seeded.locations[0]).order_by("pk")[:PEOPLE])
    users = [
        User(kind=User.Kind.PATIENT, email=f"{uuid.uuid4().hex}@bench.example", name="Bench", created_at=now)
        for _patient in found
    ]
    User.objects.bulk_create(users)
    keys = []
    for patient, user in zip(found, users, strict=True):
        Patient.objects.filter(pk=patient.pk).update(portal_user=user, portal_since=now)
        keys.append(session_of(user))
    answers = {item.id: 0 if item.id == "q9" else 1 for item in definitions.current("phq-9").items}
    rows = [
        AssessmentRequest(
            patient=patient, code="phq-9", version=1, language="en", asked_at=now, opens_at=now, due_at=now,
            expires_at=now + timedelta(days=7), status=AssessmentRequest.Status.IN_PROGRESS, begun_at=now, draft=answers,
            revision=1,
        )
        for _time in range(EACH)
        for patient in found
    ]  # fmt: skip
    AssessmentRequest.objects.bulk_create(rows, batch_size=2000)
    pairs = [(keys[place % len(found)], row.pk) for place, row in enumerate(rows)]
    return Answers(pairs[KEEPERS:], pairs[:KEEPERS])


def is_handed_in(status: int, body: bytes) -> bool:
    """Return whether the answer leads to the thanks. So it does when something is handed in twice: count what is stored, too."""
    return status == 302


def is_kept(status: int, body: bytes) -> bool:
    """Return whether the answer says that the choice is kept."""
    return status == 200 and b"Kept at" in body
