"""Tokens of links and credentials: handed out once, and known again by a hash that opens nothing."""

import hashlib
import secrets


def new() -> str:
    """Return a token nobody can guess: 256 random bits, fit for an address."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """Return what is kept of a token. Random bits need no salt: a plain hash cannot be guessed backwards."""
    return hashlib.sha256(token.encode()).hexdigest()
