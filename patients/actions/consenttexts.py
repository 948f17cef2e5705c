"""The wording of consents: drafted, written, and published by a medical director. A published version never changes."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit
from clinic.actions import signatures
from clinic.actions.policy import is_director
from clinic.actions.signatures import Proof
from clinic.errors import Refused
from clinic.models import Location, Signature, User
from patients import consenttexts
from patients.consenttexts import Section, Wording
from patients.models import ConsentText


class Published(Refused):
    """A published wording never changes."""

    def __init__(self) -> None:
        super().__init__(_("This version is published and never changes. Draft the next one instead."))


class DraftChanged(Refused):
    """Somebody saved the draft meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            _("Somebody changed this draft while you had it open. Nothing of yours is saved yet: look at their words, then save again to put yours in their place.")
        )  # fmt: skip


class NotAText(Refused):
    """Something is missing from the words, or there is too much of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))


class NothingChanged(Refused):
    """The draft says what is in force already."""

    def __init__(self) -> None:
        super().__init__(_("This draft says exactly what is in force already. Change it first."))


class NotTheDirector(Refused):
    """A medical director answers for what patients sign."""

    def __init__(self) -> None:
        super().__init__(_("Only a medical director publishes what patients sign. Ask yours to open this page."))


class InThePast(Refused):
    """Nobody can have agreed to words that were not there."""

    def __init__(self) -> None:
        super().__init__(_("A wording cannot be in force before it is published. Choose today or a later day."))


@transaction.atomic
def draft_first_texts(*, by: User, now: datetime) -> list[ConsentText]:
    """Return drafts of the wordings that come with the product, for each consent that has no wording yet."""
    known = set(ConsentText.objects.values_list("kind", "route", "language"))
    missing = [words for words in consenttexts.bundled() if (words.kind, words.route, words.language) not in known]
    why = str(_("The first wording, as it comes with the product."))
    return [_draft(by=by, words=words, version=1, why=why, now=now) for words in missing]


@transaction.atomic
def draft_text(*, by: User, text: ConsentText, now: datetime) -> ConsentText:
    """Return the draft of the version after the newest of this kind, route and language: it begins with those words.

    Asked twice, it is the same draft.
    """
    same = ConsentText.objects.filter(kind=text.kind, route=text.route, language=text.language)
    newest = same.order_by("-version")[0]
    if newest.published_at is None:
        return newest
    return _draft(by=by, words=consenttexts.wording_of(newest), version=newest.version + 1, why="", now=now)


def _draft(*, by: User, words: Wording, version: int, why: str, now: datetime) -> ConsentText:
    # Of two people who begin it at one moment the second finds the first one's.
    text, is_new = ConsentText.objects.get_or_create(
        kind=words.kind, route=words.route, language=words.language, version=version,
        defaults={
            "title": words.title, "sections": consenttexts.rows_of(words.sections), "why": why, "drafted_by": by,
            "drafted_at": now, "text_hash": consenttexts.hash_of(words.title, words.sections),
        },
    )  # fmt: skip
    if is_new:
        _audit_text(by, audit.Verb.CONSENT_TEXT_DRAFTED, text, now)
    return text


def _audit_text(by: User, verb: audit.Verb, text: ConsentText, now: datetime) -> None:
    what = {"kind": text.kind, "route": text.route, "language": text.language, "version": text.version}
    audit.record(by, verb, text, now=now, details=what)


@transaction.atomic
def write_text(
    *, by: User, text: ConsentText, seen: str, title: str, sections: tuple[Section, ...], why: str, now: datetime
) -> ConsentText:
    """Return the draft with these words. ``seen`` is the hash of the words that the writer was shown.

    Refuses a published version, words that nobody could sign, and a draft that somebody else saved meanwhile.
    """
    text = ConsentText.objects.select_for_update(no_key=True).get(pk=text.pk)
    if text.published_at is not None:
        raise Published
    problems = consenttexts.wrong_with(title, sections)
    if problems:
        raise NotAText(problems)
    written = consenttexts.hash_of(title, sections)
    if (written, why) == (text.text_hash, text.why):
        return text
    if text.text_hash != seen:
        raise DraftChanged
    text.title, text.sections, text.text_hash = title, consenttexts.rows_of(sections), written
    text.why, text.drafted_by, text.drafted_at = why, by, now
    text.save(update_fields=["title", "sections", "text_hash", "why", "drafted_by", "drafted_at"])
    _audit_text(by, audit.Verb.CONSENT_TEXT_DRAFTED, text, now)
    return text


@transaction.atomic
def publish_text(
    *,
    by: User,
    text: ConsentText,
    seen: str,
    needs_new_signature: bool,
    effective_at: datetime,
    location: Location,
    proof: Proof,
    now: datetime,
) -> ConsentText:
    """Return the version, published with the signature of a medical director of ``location``, in force from a moment on.

    ``needs_new_signature`` makes every earlier signature stop counting at that moment. Refuses anybody else, a moment
    in the past, a draft that was changed since it was read (``seen``), and one that says what is in force already.
    """
    text = ConsentText.objects.select_for_update(no_key=True).get(pk=text.pk)
    if text.published_at is not None:
        raise Published
    if not is_director(by, location):
        raise NotTheDirector
    if text.text_hash != seen:
        raise DraftChanged
    if effective_at < now:
        raise InThePast
    same = ConsentText.objects.filter(kind=text.kind, route=text.route, language=text.language)
    last = same.filter(published_at__isnull=False).order_by("-version").first()
    if last is not None and last.text_hash == text.text_hash:
        raise NothingChanged
    content = consenttexts.canonical(text.title, consenttexts.sections_of(text.sections))
    text.signature = signatures.sign(
        by=by, signer=by, proof=proof, purpose=Signature.Purpose.CONSENT_TEXT, subject_type="consenttext",
        subject_id=text.pk, location=location, now=now,
        content=f"{content}\n{text} {text.language} {effective_at.isoformat()} {needs_new_signature}",
    )  # fmt: skip
    text.needs_new_signature, text.effective_at = needs_new_signature, effective_at
    text.published_by, text.published_at = by, now
    text.save(update_fields=["signature", "needs_new_signature", "effective_at", "published_by", "published_at"])
    _audit_text(by, audit.Verb.CONSENT_TEXT_PUBLISHED, text, now)
    return text
