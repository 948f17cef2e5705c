"""Audit rows and seals stay as they were written.

Plain triggers, because those of a library can be switched off from SQL (docs/decisions/0001-the-house.md); the rights of
the application's role (clinic/grants.py) stand behind them. TRUNCATE is refused by rights alone: a trigger on it would
break the flush between tests.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE ON clinic_auditevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE ON clinic_auditseal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
DROP = """
DROP TRIGGER audit_event_append_only ON clinic_auditevent;
DROP TRIGGER audit_seal_append_only ON clinic_auditseal;
DROP FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("clinic", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
