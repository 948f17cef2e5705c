"""Encryption of single fields with keys that are kept outside the database.

The first key of ``FIELD_KEYS`` encrypts; every key decrypts, so that a new one can be put in front of the old.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class KeyLost(Exception):
    """None of the configured keys opens this text."""


def _ring() -> MultiFernet:
    if not settings.FIELD_KEYS:
        raise ImproperlyConfigured("FIELD_KEYS is missing: encrypted fields can be neither written nor read.")
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


def seal(text: str) -> str:
    """Return ``text`` encrypted with the newest key."""
    return _ring().encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """Return what was sealed. Raises KeyLost when no configured key opens it."""
    try:
        return _ring().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise KeyLost("None of the keys in FIELD_KEYS opens this field.") from error
