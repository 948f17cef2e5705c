"""``Record``: what every row of ours has. No behaviour, no default filtering, no ordering."""

import uuid

from django.db import models
from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """Return a new UUIDv7: unguessable enough for a URL, and ordered by time so that indexes stay dense."""
    return uuid7()


class Record(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True
