"""``manage.py verify_audit``: prove that every sealed audit row is as it was written. Run it every night."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from clinic import localtime, seals


class Command(BaseCommand):
    help = (
        "Recompute every seal over the audit and compare it with AUDIT_ANCHOR_FILE. Exit code 1: something was changed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        proof = seals.verify(tell=lambda sentence: self.stdout.write(self.style.ERROR(sentence)))
        for note in proof.notes:
            self.stdout.write(self.style.WARNING(note))
        self.stdout.write(
            _("%(rows)d rows under %(seals)d seals were recomputed.") % {"rows": proof.rows, "seals": proof.seals}
        )
        if proof.unsealed and proof.unsealed_since:
            self.stdout.write(
                _("%(n)d rows since %(since)s have no seal yet. Triggers and rights keep them; nothing here proves it.")
                % {"n": proof.unsealed, "since": localtime.moment_text(proof.unsealed_since, localtime.zone("UTC"))}
            )
        if proof.broken:
            self.stdout.write(
                self.style.ERROR(
                    _(
                        "%(n)d findings. Keep the database as it is, tell the privacy officer, and compare with the last backup."
                    )
                    % {"n": proof.broken}
                )
            )
            sys.exit(1)
        self.stdout.write(self.style.SUCCESS(_("Everything that was sealed is as it was written.")))
