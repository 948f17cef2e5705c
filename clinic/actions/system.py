"""Sam: the machine as somebody. What no person does, such as sending letters, is done and audited in this name."""

from datetime import datetime

from django.db import transaction

from clinic.models import User

ADDRESS = "sam@system.invalid"


@transaction.atomic
def sam(*, now: datetime) -> User:
    """Return the system's user, made at the first need. Nobody can sign in with it: inactive, without a password."""
    user: User
    user, _made = User.objects.get_or_create(
        email=ADDRESS,
        defaults={
            "kind": User.Kind.SYSTEM, "name": "Sam (system)", "is_active": False, "password": "!unusable",
            "created_at": now,
        },
    )  # fmt: skip
    return user
