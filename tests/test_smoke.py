import pytest

from clinic.models import AuditEvent


def test_cast(cast, signed_in):
    assert cast.pat.portal_user == cast.pat_user
    cast.pat.refresh_from_db()
    assert cast.pat.search_key
    r = signed_in(cast.frida).get("/healthz")
    assert r.status_code in (200, 503), r


@pytest.mark.django_db(transaction=True)
def test_rights():
    from django.db import ProgrammingError

    with pytest.raises(ProgrammingError):
        AuditEvent.objects.all().update(verb="x")
