"""The one kind of refusal.

Each action module defines its own subclasses beside the action that raises them; nothing else is shared.
"""

from django.db import IntegrityError
from django.utils.functional import Promise


class Refused(Exception):
    """What was asked for may not be done now. The message is a sentence for the person who asked."""

    def __init__(self, message: str | Promise) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


def violated(error: IntegrityError) -> str:
    """Return the name of the constraint that the database said no by, for an action to translate into a refusal."""
    name: str = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    return name
