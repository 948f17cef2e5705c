"""What somebody agreed to, and that they took it back, stays as it was written; so does a published wording."""

from django.db import migrations

CREATE = """
CREATE TRIGGER consent_append_only BEFORE UPDATE OR DELETE ON patients_consent
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER consent_withdrawal_append_only BEFORE UPDATE OR DELETE ON patients_consentwithdrawal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER consent_text_published_stays BEFORE UPDATE OR DELETE ON patients_consenttext
    FOR EACH ROW WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
"""
DROP = """
DROP TRIGGER consent_append_only ON patients_consent;
DROP TRIGGER consent_withdrawal_append_only ON patients_consentwithdrawal;
DROP TRIGGER consent_text_published_stays ON patients_consenttext;
"""


class Migration(migrations.Migration):
    dependencies = [("patients", "0006_consents"), ("clinic", "0002_append_only")]
    operations = [migrations.RunSQL(CREATE, DROP)]
