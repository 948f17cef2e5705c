"""``manage.py release``: bring the database to this code's schema, as its owner, and give the application its rights.

Run once a release, before any process of the new code serves. Any failure ends with a non-zero exit and nothing serves:
``clinic.middleware.schema_must_match`` refuses on a schema that does not fit. Limits that the new code asks for and that the
clinic has not approved yet are put before a medical director as a draft; what needs them refuses until then. Kinds of visit that
a clinic has not are published.
"""

import gc
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from clinic import clock, grants
from clinic.actions import policy, system
from clinic.models import Location
from sessions.actions import visittypes

# Two releases at once would trip over each other: the second waits here.
RELEASE_LOCK = 5_710_423


class Command(BaseCommand):
    help = "Migrate the database as its owner and set the rights of the application's role."

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [RELEASE_LOCK])
        often = gc.get_threshold()
        try:
            # Each migration draws every model anew: looking through all of them for garbage is a fifth of the work.
            gc.set_threshold(50_000, 20, 20)
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
            grants.grant(connection)
            draft = policy.propose_missing(now=clock.now())
            if Location.objects.exists():
                visittypes.publish_first(by=system.sam(now=clock.now()), now=clock.now())
        finally:
            gc.set_threshold(*often)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [RELEASE_LOCK])
        self.stdout.write("The database fits this release.")
        if draft is not None:
            self.stdout.write(
                f"This release asks for new limits: policy version {draft.number} waits for a medical director."
            )
