"""Empty: what it added stands in 0001 with the tables. Kept because databases know it by its name."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("clinic_sessions", "0001_initial")]
    operations: list[migrations.operations.base.Operation] = []
