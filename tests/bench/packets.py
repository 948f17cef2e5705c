"""A packet kept at every change, as static/js/autosave.js sends it: one screen of words, again and again."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from assessments.models import Packet, PacketSection
from clinic import clock
from clinic.models import User
from patients.models import Patient

from . import load
from .seeding import Seeded

# People who fill in a packet in the same minutes; each writes in one window.
WRITERS = 80
WORDS = "I lie awake and go over the same conversations, and in the morning I am too tired to work. "
PART = "goals"


def prepare(seeded: Seeded, session_of: Callable[[User], str]) -> list[str]:
    """Give the first patients of the first place a portal and a packet that is begun. Return their sessions' keys."""
    now = clock.now()
    found = list(Patient.objects.filter(pk__in=seeded.patients[0][:WRITERS]).order_by("pk"))
    users = [
        User(kind=User.Kind.PATIENT, email=f"{uuid.uuid4().hex}@bench.example", name="Bench", created_at=now)
        for _patient in found
    ]
    User.objects.bulk_create(users)
    for patient, user in zip(found, users, strict=True):
        Patient.objects.filter(pk=patient.pk).update(portal_user=user, portal_since=now)
        packet = Packet.objects.create(
            patient=patient, status=Packet.Status.IN_PROGRESS, invited_by_id=seeded.desks[0], invited_at=now, begun_at=now,
            expires_at=now + timedelta(days=30),
        )  # fmt: skip
        PacketSection.objects.create(packet=packet, code=PART, draft={"hopes": WORDS}, saved_at=now)
    return [session_of(user) for user in users]


def change(key: str, writer: int, turn: int, csrf: str) -> load.Request:
    """Return the post by which a window keeps a change; each turn there is a little more, and it begins anew at a screenful."""
    words = WORDS * (1 + turn % 8) + str(turn)
    body = {
        "go": "keep", "entry_key": f"bench-{writer}.{turn + 1}", "version": json.dumps({"reason": WORDS}), "reason": words,
    }  # fmt: skip
    headers = {
        "Cookie": f"{settings.SESSION_COOKIE_NAME}={key}; {settings.CSRF_COOKIE_NAME}={csrf}", "X-CSRFToken": csrf,
        "Content-Type": "application/x-www-form-urlencoded", "HX-Request": "true", "Host": "localhost",
    }  # fmt: skip
    path = f"{reverse('assessments:packet_section', args=[PART])}?step=reason"
    return "POST", path, urlencode(body).encode(), headers


def is_kept(status: int, body: bytes) -> bool:
    """Return whether the answer says that the change is kept, and that no other window had one."""
    return status == 200 and b"data-autosave-state" in body and b'value="take:' not in body
