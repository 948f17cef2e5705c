"""Which consents a patient has, has not, or has taken back: questions for pages, and for the gates of the floors above.

A bounded number of queries each. Nothing here is written down anywhere: a consent that ran out at nine is missing at nine.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat, JSONObject
from django.utils.translation import gettext as _

from clinic.written import WHEN, WHO, Written
from patients.models import Consent, ConsentKind, ConsentText, ConsentWithdrawal, Patient, Route

# A consent that runs out within this may be signed anew, and the patient is told.
SOON = timedelta(days=30)
# What a patient is asked for before treatment begins. The others are offered and may be left unsigned.
ASKED_OF_EVERYBODY = (ConsentKind.PRIVACY_NOTICE, ConsentKind.TREATMENT, ConsentKind.KETAMINE)

Need = tuple[str, str]
RoutesOf = Callable[[Patient, datetime], frozenset[str]]
_routes_of: list[RoutesOf] = []


def register_routes(routes_of: RoutesOf) -> None:
    """Say who knows by which routes a patient is to be treated: the floor that clears them (architecture 4)."""
    _routes_of[:] = [routes_of]


class Summary(StrEnum):
    """All that is said of a patient's consents at the desk: nothing of what was agreed to, or why not."""

    SIGNED = "signed"
    TO_SIGN = "to_sign"
    WITHDRAWN = "withdrawn"


class State(StrEnum):
    """What there is to say about one consent of one patient."""

    SIGNED = "signed"
    EXPIRING = "expiring"
    TO_SIGN = "to_sign"
    EXPIRED = "expired"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"

    @property
    def counts(self) -> bool:
        return self in {State.SIGNED, State.EXPIRING}


@dataclass(frozen=True)
class Standing:
    """One kind and route: its state, the text to sign now (None when none is in force), and what was signed last."""

    kind: ConsentKind
    route: str
    state: State
    text: ConsentText | None
    consent: Consent | None
    withdrawn_at: datetime | None
    is_asked: bool

    @property
    def name(self) -> str:
        return name_of(self.kind, self.route)

    @property
    def may_be_signed(self) -> bool:
        """Return whether there are words in force to sign, and a reason to."""
        return self.text is not None and self.state != State.SIGNED

    @property
    def is_to_sign(self) -> bool:
        """Return whether the patient is asked to sign: not for what they took back, which they may sign if they wish."""
        return self.is_asked and self.may_be_signed and self.state != State.WITHDRAWN

    @property
    def can_be_withdrawn(self) -> bool:
        """Return whether there is a signature to take back, also one that counts no longer because the words changed."""
        return (self.state.counts or self.state == State.CHANGED) and self.kind.can_be_withdrawn


def name_of(kind: str, route: str) -> str:
    """Return what one consent is called: "Ketamine-assisted psychotherapy, under the tongue"."""
    words = str(ConsentKind(kind).label).capitalize()
    return _("%(kind)s, %(route)s") % {"kind": words, "route": Route(route).label} if route else words


def text_for(patient: Patient, kind: str, route: str, now: datetime) -> ConsentText | None:
    """Return the words in force this patient would sign: in their language, else in the house's own; None for none."""
    rows = ConsentText.objects.in_force(now).filter(kind=kind, route=route)
    return _in_the_right_language(patient, list(rows))


def _in_the_right_language(patient: Patient, texts: list[ConsentText]) -> ConsentText | None:
    by_language = {text.language: text for text in texts}
    return by_language.get(patient.letter_language) or by_language.get(settings.LANGUAGE_CODE)


def standings(patient: Patient, now: datetime, *, every_route: bool = False) -> list[Standing]:
    """Return every consent there is for this patient, in the order of kinds: three queries, however many were signed.

    A route that was neither asked for nor ever signed is left out unless ``every_route`` is wanted.
    """
    texts: dict[Need, list[ConsentText]] = {}
    for in_force in ConsentText.objects.in_force(now):
        texts.setdefault((in_force.kind, in_force.route), []).append(in_force)
    signed: dict[Need, list[Consent]] = {}
    for consent in _signed(patient, now):
        signed.setdefault((consent.text.kind, consent.text.route), []).append(consent)
    routes = _asked_routes(patient, {route for kind, route in texts if kind == ConsentKind.KETAMINE}, now)
    found = []
    for need in sorted(texts.keys() | signed.keys(), key=place_of):
        is_asked = _asks(need, routes)
        if is_asked or need in signed or not need[1] or every_route:
            text = _in_the_right_language(patient, texts.get(need, []))
            found.append(_standing(need, text, signed.get(need, []), is_asked, now))
    return found


def _signed(patient: Patient, now: datetime) -> QuerySet[Consent]:
    """Return what the patient signed, newest first, with ``withdrawn_at`` and ``still_counts``."""
    rows = Consent.objects.filter(patient=patient).select_related("text", "signature__signer")
    rows = rows.annotate(withdrawn_at=Subquery(_taken_back()), still_counts=Exists(_counting(now)))
    return rows.order_by("-signed_at", "-id")


def _taken_back() -> QuerySet[ConsentWithdrawal, datetime]:
    return ConsentWithdrawal.objects.filter(consent=OuterRef("pk")).values_list("withdrawn_at", flat=True)


def _counting(now: datetime) -> QuerySet[Consent]:
    return Consent.objects.current(now).filter(pk=OuterRef("pk"))


def _asked_routes(patient: Patient, offered: set[str], now: datetime) -> frozenset[str]:
    """Return the routes to be agreed to: those the patient is to be treated by, else the first that the clinic offers.

    Nobody signs for five ways of taking a medicine that is given in one.
    """
    known = frozenset[str]().union(*(routes_of(patient, now) for routes_of in _routes_of))
    return known or _first_offered(offered)


def _first_offered(offered: set[str]) -> frozenset[str]:
    return frozenset([route for route in Route.values if route in offered][:1])


def _asks(need: Need, routes: frozenset[str]) -> bool:
    """Return whether a patient who is treated by these routes is asked for this consent."""
    return need[0] in ASKED_OF_EVERYBODY and (not need[1] or need[1] in routes)


def place_of(need: Need) -> tuple[int, int]:
    """Return where a consent stands in lists: by kind, then by route."""
    return ConsentKind.values.index(need[0]), ["", *Route.values].index(need[1])


def _state(signed: Sequence[Any], now: datetime) -> tuple[State, Any]:
    """Return what signatures of one need, newest first, come to; and the one that says so, None for none."""
    counting = [consent for consent in signed if consent.still_counts]
    last = max(counting, key=lambda consent: consent.expires_at) if counting else next(iter(signed), None)
    if last is None:
        state = State.TO_SIGN
    elif counting:
        state = State.EXPIRING if last.expires_at <= now + SOON else State.SIGNED
    elif last.withdrawn_at is not None:
        state = State.WITHDRAWN
    else:
        state = State.EXPIRED if last.expires_at <= now else State.CHANGED
    return state, last


def _standing(need: Need, text: ConsentText | None, signed: list[Any], is_asked: bool, now: datetime) -> Standing:
    state, last = _state(signed, now)
    return Standing(
        kind=ConsentKind(need[0]), route=need[1], state=state, text=text, consent=last,
        withdrawn_at=last.withdrawn_at if last else None, is_asked=is_asked,
    )  # fmt: skip


def to_sign(patient: Patient, now: datetime) -> list[ConsentText]:
    """Return the texts this patient is asked to sign now, in order; what runs out soon is among them."""
    return [row.text for row in standings(patient, now) if row.is_to_sign and row.text is not None]


NEEDS = Written(
    lambda: Consent.objects.current(WHEN).filter(patient=Patient(pk=WHO)).values_list("text__kind", "text__route")
)


def signed_needs(patient: Patient, now: datetime) -> list[Need]:
    """Return kind and route of every consent that counts at ``now``, each once, in order. One query."""
    return sorted({(kind, route) for kind, route in NEEDS.rows(who=patient.pk, when=now)})


def missing_for(patient: Patient, route: str, now: datetime) -> list[str]:
    """Return what a dose by ``route`` lacks, in words; empty when both consents count at ``now`` (domain.md 3.3). One query.

    A route whose wording was never published is missing, and so is every unknown one.
    """
    needs: list[Need] = [(ConsentKind.TREATMENT, ""), (ConsentKind.KETAMINE, route)]
    have = set(signed_needs(patient, now))
    return [name_of(kind, way if way in Route.values else "") for kind, way in needs if (kind, way) not in have]


def words(patient: Patient, now: datetime) -> str:
    """Return what the desk may know of a patient's consents, in a word or two: nothing of what was agreed to, or why not."""
    return {
        Summary.WITHDRAWN: _("withdrawn: clinician will call"),
        Summary.SIGNED: _("signed"),
        Summary.TO_SIGN: _("to sign"),
    }[_summary([row.state for row in standings(patient, now) if row.is_asked])]


def _summary(asked: Sequence[State]) -> Summary:
    """Return what the states of everything a patient is asked for come to."""
    if State.WITHDRAWN in asked:
        return Summary.WITHDRAWN
    return Summary.SIGNED if asked and all(state.counts for state in asked) else Summary.TO_SIGN


class _Signed(NamedTuple):
    """One signature, as far as it says what state a consent is in."""

    kind: str
    route: str
    expires_at: datetime
    withdrawn_at: datetime | None
    still_counts: bool


def signed_column(patient: str, now: datetime) -> ArraySubquery:
    """Return a column for a query whose rows name a patient by ``patient``: all they signed, newest first, for ``summary_of``."""
    rows = Consent.objects.filter(patient=OuterRef(patient)).order_by("-signed_at", "-id")
    return ArraySubquery(
        rows.values(
            said=JSONObject(
                kind="text__kind", route="text__route", expires_at="expires_at", withdrawn_at=Subquery(_taken_back()),
                still_counts=Exists(_counting(now)),
            )
        )
    )  # fmt: skip


def offered_column(now: datetime) -> ArraySubquery:
    """Return a column for any query: what the clinic has words in force for, for ``summary_of``. It is asked once, not once a row."""
    return ArraySubquery(ConsentText.objects.in_force(now).values_list(Concat("kind", Value(" "), "route")))


def summary_of(
    signed: Sequence[Mapping[str, Any]], offered: Sequence[str], routes: Collection[str], now: datetime
) -> Summary:
    """Return what ``words`` says, from what the two columns found and the routes a patient is cleared for. Asks nothing."""
    in_force: set[Need] = {(kind, route) for kind, _space, route in (need.partition(" ") for need in offered)}
    first = _first_offered({route for kind, route in in_force if kind == ConsentKind.KETAMINE})
    own: dict[Need, list[_Signed]] = {}
    for row in signed:
        taken_back = row["withdrawn_at"]
        one = _Signed(
            row["kind"], row["route"], datetime.fromisoformat(row["expires_at"]),
            datetime.fromisoformat(taken_back) if taken_back else None, row["still_counts"],
        )  # fmt: skip
        own.setdefault((one.kind, one.route), []).append(one)
    asked = [need for need in in_force | own.keys() if _asks(need, frozenset(routes) or first)]
    return _summary([_state(own.get(need, []), now)[0] for need in asked])
