"""How the schedule opens for somebody: kept by themselves, for themselves."""

import uuid
from collections.abc import Sequence

from django.db import transaction

from clinic.models import User
from sessions.models import OwnView


@transaction.atomic
def keep(*, by: User, span: OwnView.Span, grouping: OwnView.Grouping, only: Sequence[uuid.UUID]) -> OwnView:
    """Return what is kept now, in the place of what was before.

    Nothing is audited: it is a habit of looking, shows nothing to anybody and opens no door.
    """
    kept, _is_new = OwnView.objects.update_or_create(
        user=by, defaults={"span": span, "grouping": grouping, "only": list(only)}
    )
    return kept
