"""``manage.py seed_demo``: tell the demo clinic into an empty database. Only where DEMO_MODE is on."""

import gc
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic import clock, demo
from clinic.models import Location


class Command(BaseCommand):
    help = "Fill an empty database with the demo clinic."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--people", type=int, default=demo.PEOPLE, help="how many patients came in the half year")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO_MODE:
            raise CommandError("DEMO_MODE is off. Made-up people do not belong into a real clinic's database.")
        if Location.objects.exists():
            self.stdout.write("There is a clinic in this database already; it was left as it is.")
            return
        # Millions of short-lived rows: looking through the whole program for garbage again and again is a tenth of it.
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        demo.tell(clock.now(), people=options["people"])
        self.stdout.write("The demo clinic is open.")
