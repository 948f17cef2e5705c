"""Puts enquiries that were accepted before "Book the intake" was a kind of work on the list of the desk.

Whoever was told "yes" and has no date yet is on no list otherwise. An enquiry that came back after a cancelled intake has
an item of the old kind, which booking closes as well. By when nobody promised: somebody looks within a day.
"""

from datetime import timedelta
from typing import Any

from django.db import migrations
from django.utils import timezone


def ask_the_desk(apps: Any, _schema_editor: Any) -> None:
    referrals, items = apps.get_model("patients", "Referral"), apps.get_model("clinic", "WorkItem")
    waiting = items.objects.filter(kind__in=["referral", "intake_to_book"], closed_at=None).values("subject_id")
    now = timezone.now()
    items.objects.bulk_create(
        items(
            kind="intake_to_book", location_id=location_id, owner_role="front_desk", subject_type="referral",
            subject_id=pk, created_at=now, due_at=now + timedelta(days=1),
        )
        for pk, location_id in referrals.objects.filter(status="accepted").exclude(pk__in=waiting).values_list(
            "pk", "location_id"
        )
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("patients", "0004_forget_defaults"), ("clinic", "0003_intake_to_book")]
    operations = [migrations.RunPython(ask_the_desk, migrations.RunPython.noop)]
