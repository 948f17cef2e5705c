"""Tokens of links and credentials: handed out once, and known again by a hash that opens nothing."""

import hashlib
import secrets

from django.utils.crypto import salted_hmac


def new() -> str:
    """Return a token nobody can guess: 256 random bits, fit for an address."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """Return what is kept of a token. Random bits need no salt: a plain hash cannot be guessed backwards."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_of_code(code: str) -> str:
    """Return what is kept of a code that people type, however they write it. Few letters need the house's own key."""
    typed = "".join(letter for letter in code.lower() if letter.isalnum())
    return salted_hmac("clinic.tokens.code", typed, algorithm="sha256").hexdigest()
