"""The registry of letters. The app that owns a letter's subject declares it and fills the registry at start-up.

This is how a lower floor asks an upper one: the post office knows a kind and a subject's id, and the letter knows the
rest. A letter's templates live in ``templates/<app>/letters/<kind>/{body.txt,body.html,sms.txt}`` (``folder`` names that
folder) and extend ``clinic/letters/_base.txt`` and ``_base.html``. The subject is the same for every letter and gives
nothing away (domain.md 7): "A message from" and the location's neutral name.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template import Context as TemplateContext
from django.template import loader
from django.utils import translation
from django.utils.translation import gettext as _

from clinic import keyring
from clinic.models import Category, Channel, Location, OutboundMessage, User
from clinic.neutralnames import revealing_words as revealing_words

Context = Callable[[OutboundMessage], dict[str, Any]]
Subject = Callable[[OutboundMessage], Any]
StillWanted = Callable[[OutboundMessage, datetime], str]
AddressNow = Callable[[OutboundMessage], str]
NotSent = Callable[[User, OutboundMessage, str, datetime], object]
NamesOf = Callable[[set[uuid.UUID]], Mapping[uuid.UUID, str]]

# Longer texts are cut into pieces that arrive out of order, and the healthcare exemption ends there (domain.md 7).
SMS_LENGTH = 160


def always(_message: OutboundMessage, _now: datetime) -> str:
    """Return nothing: a letter that is wanted whatever happened since."""
    return ""


def no_subject(_message: OutboundMessage) -> None:
    """Return nothing: a letter that looks for itself what it needs."""


def nothing_to_do(_by: User, _message: OutboundMessage, _reason: str, _now: datetime) -> None:
    """Do nothing: a letter that nobody waits for once it is not sent."""


@dataclass(frozen=True)
class Letter:
    """One kind of letter.

    ``subject(message)``, where given, returns the row that the letter is about; it is read once, when the letter was
    claimed, and stands in ``message.subject`` for the others, so that a letter says what was found to be still wanted.
    ``context(message)`` returns what the templates need, read from the subject at send time. ``still_wanted(message,
    now)`` returns "" when the letter should go, or the code of the reason why it no longer should: the last question
    before a letter leaves; each code stands in ``reasons`` with a sentence for the desk. ``not_sent(by, message, reason,
    now)`` is called in the transaction that records that a letter was held back, with the reason: where its reader has
    to be told all the same, it asks somebody to. ``in_trouble``, where given, is called in the same way for a letter that
    could not be sent or whose outcome nobody knows, instead of asking the desk. ``address_now(message)``, where given, returns the address on record at send time, for letters that follow their reader; a letter with a token
    stays with the address it was promised to.
    """

    kind: str
    label: Any
    folder: str
    category: Category
    context: Context
    still_wanted: StillWanted = always
    subject: Subject = no_subject
    address_now: AddressNow | None = None
    not_sent: NotSent = nothing_to_do
    in_trouble: NotSent | None = None
    reasons: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rendered:
    """A letter as it leaves: everything a channel needs, and nothing it has to ask for."""

    message_id: uuid.UUID
    channel: Channel
    address: str
    sender: str
    subject: str
    text: str
    html: str
    sms: str


class UnknownLetter(LookupError):
    """Nobody declared this kind of letter: a programming error, found by a test over every kind in use."""


_registry: dict[str, Letter] = {}


def register(letter: Letter) -> None:
    """Add a kind of letter. Refuses a second one of the same name."""
    if letter.kind in _registry and _registry[letter.kind] != letter:
        raise ValueError(f"Two letters are called {letter.kind}.")
    _registry[letter.kind] = letter


def get(kind: str) -> Letter:
    """Return the letter of that kind. Refuses a kind nobody declared."""
    try:
        return _registry[kind]
    except KeyError as error:
        raise UnknownLetter(kind) from error


def known(kind: str) -> Letter | None:
    """Return the letter of that kind, or None when it is no longer written."""
    return _registry.get(kind)


def all_letters() -> list[Letter]:
    """Return every declared letter, by kind."""
    return [_registry[kind] for kind in sorted(_registry)]


_names: dict[str, NamesOf] = {}


def register_names(kind: OutboundMessage.RecipientKind, names_of: NamesOf) -> None:
    """Say who knows the names of a kind of recipient: the app that keeps their records."""
    _names[kind] = names_of


def recipient_names(messages: Iterable[OutboundMessage]) -> dict[uuid.UUID, str]:
    """Return the names of the recipients that somebody knows, by recipient id: one query a kind."""
    wanted: dict[str, set[uuid.UUID]] = {}
    for message in messages:
        if message.recipient_id is not None:
            wanted.setdefault(message.recipient_kind, set()).add(message.recipient_id)
    found: dict[uuid.UUID, str] = {}
    for kind in sorted(wanted.keys() & _names.keys()):
        found.update(_names[kind](wanted[kind]))
    return found


def reason_text(kind: str, code: str) -> str:
    """Return the sentence for a reason, of the post's own or of that kind of letter; the code itself when unknown."""
    if not code:
        return ""
    own = dict(OutboundMessage.Reason.choices)
    letter = _registry.get(kind)
    return str((letter.reasons.get(code) if letter else None) or own.get(code) or code)


def label_of(kind: str) -> str:
    """Return what the desk calls that kind of letter; the kind itself when it is no longer written."""
    letter = _registry.get(kind)
    return str(letter.label) if letter else kind


def render(message: OutboundMessage) -> Rendered:
    """Return the letter as it leaves, in the reader's language, from what is on record now.

    Raises KeyLost when its secret can no longer be read. Everything else that goes wrong is a broken letter.
    """
    letter = get(message.kind)
    location = Location.objects.filter(pk=message.location_id).first() if message.location_id else None
    with translation.override(message.language):
        alias = _one_line(location.alias if location else settings.SITE_NAME)
        context = {
            "alias": alias,
            "phone": location.phone if location else "",
            "site_url": settings.SITE_URL,
            "subject": _("A message from %(alias)s") % {"alias": alias},
            "language": message.language,
            "secret": json.loads(keyring.unseal(message.secret)) if message.secret else {},
        }
        context |= letter.context(message)
        context["called"] = greeting_name(str(context.get("called", "")))
        is_email = message.channel == Channel.EMAIL
        return Rendered(
            message_id=message.pk,
            channel=Channel(message.channel),
            address=message.address,
            sender=alias,
            subject=str(context["subject"]),
            text=_tidy(_plain(f"{letter.folder}/body.txt", context)) if is_email else "",
            html=loader.render_to_string(f"{letter.folder}/body.html", context) if is_email else "",
            sms="" if is_email else _one_line(_plain(f"{letter.folder}/sms.txt", context)),
        )


def _plain(name: str, context: dict[str, Any]) -> str:
    # In plain text an apostrophe is an apostrophe: nothing is escaped for HTML.
    template: Any = loader.get_template(name)
    return str(template.template.render(TemplateContext(context, autoescape=False)))


def _one_line(text: str) -> str:
    """Return ``text`` without line breaks and control characters: what may stand in a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def greeting_name(name: str) -> str:
    """Return a name fit to greet somebody by, or "" when it is none.

    Names come from public forms too: one that holds an address, a number or a sentence would make our letter carry
    somebody else's message.
    """
    name = _one_line(name)
    is_a_name = len(name) <= 40 and not re.search(r"[/\\:@<>{}\[\]=&#%$!?\d]|\bwww\b|\.\w", name)
    return name if is_a_name and not revealing_words(name) else ""


def _tidy(text: str) -> str:
    """Return plain text with at most one empty line between paragraphs, as template tags leave many."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"
