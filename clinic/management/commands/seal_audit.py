"""``manage.py seal_audit``: seal what is new now, as beat does every hour; or say that a backup was restored."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from clinic import clock
from clinic.actions import audit
from clinic.errors import Refused


class Command(BaseCommand):
    help = "Seal the audit now, as beat does every hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--after-restore",
            action="store_true",
            help="Write into the anchor file that a backup was restored and that what was sealed after it is lost.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["after_restore"]:
                line = audit.acknowledge_restore(now=clock.now())
                self.stdout.write(_("The anchor file now says: restored up to seal %(n)d.") % {"n": line.number})
            made = audit.seal(now=clock.now())
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        rows = sum(seal.event_count for seal in made)
        self.stdout.write(_("%(rows)d rows under %(seals)d new seals.") % {"rows": rows, "seals": len(made)})
