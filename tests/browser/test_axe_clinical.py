"""The pages of clinicians, of the privacy officer, and of how one signs in: axe finds nothing, in any state."""

from datetime import datetime
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from playwright.sync_api import BrowserContext

from tests.browser.axe_pages import all_of, can_be_empty, fresh, full, keys_of, look_at
from tests.browser.conftest import Enter
from tests.cast import Cast

pytestmark = pytest.mark.long

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def with_factors(cast: Cast, records: dict[str, Any]) -> dict[str, Any]:
    """Give Dana a password, an authenticator app, recovery codes and a passkey."""
    cast.dana.set_password("Correct-horse-7-battery")
    cast.dana.save(update_fields=["password"])
    TOTP.activate(cast.dana, SECRET)
    RecoveryCodes.activate(cast.dana)
    passkey = Authenticator.objects.create(user=cast.dana, type="webauthn", data={"name": "Laptop", "credential": {}})
    return {**records, "pk": passkey.pk}


@pytest.mark.parametrize("who", ["dana", "theo", "nils", "milo", "petra"])
def test_full_and_refused(context: BrowserContext, cast: Cast, enter: Enter, now: datetime, who: str) -> None:
    records = with_factors(cast, full(cast))
    enter(context, getattr(cast, who))
    assert not (faults := all_of(look_at(context, key, records, refused=True) for key in keys_of(who))), faults


def test_empty(context: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> None:
    records, faults = fresh(cast) | {"patient_id": cast.pat.pk}, ""
    for who in ("theo", "petra"):
        context.clear_cookies()
        enter(context, getattr(cast, who))
        faults += all_of(
            look_at(context, key, records, empty=True) for key in keys_of(who) if can_be_empty(key, records)
        )
    assert not faults, faults
