"""A clearance says what was signed until the next signature; no clearance, flag or alert goes away. Plain triggers."""

from django.db import migrations

TERMS = ("patient_id", "route", "max_mg", "max_sessions", "conditions", "expires_on", "decided_by_id", "decided_at")
CREATE_TERMS = f"""
CREATE FUNCTION refuse_other_terms() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'What a clearance says changes only with another signature.'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'clearance_says_what_was_signed';
END $body$;
CREATE TRIGGER clearance_says_what_was_signed BEFORE UPDATE ON assessments_clearance FOR EACH ROW
    WHEN (
        OLD.signature_id IS NOT NULL AND OLD.signature_id IS NOT DISTINCT FROM NEW.signature_id
        AND ({", ".join(f"OLD.{name}" for name in TERMS)}) IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in TERMS)})
    ) EXECUTE FUNCTION refuse_other_terms();
"""
DROP_TERMS = "DROP TRIGGER clearance_says_what_was_signed ON assessments_clearance; DROP FUNCTION refuse_other_terms();"
KEPT = ("clearance", "riskalert", "screeningflag")
CREATE_KEPT = "".join(
    f"CREATE TRIGGER {table}_is_kept BEFORE DELETE ON assessments_{table} FOR EACH ROW EXECUTE FUNCTION refuse_change();\n"
    for table in KEPT
)
DROP_KEPT = "".join(f"DROP TRIGGER {table}_is_kept ON assessments_{table};\n" for table in KEPT)


class Migration(migrations.Migration):
    dependencies = [("assessments", "0003_request_hands"), ("clinic", "0002_append_only")]
    operations = [migrations.RunSQL(CREATE_TERMS, DROP_TERMS), migrations.RunSQL(CREATE_KEPT, DROP_KEPT)]
