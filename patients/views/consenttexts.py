"""What patients sign, in versions: the list, one version to read, drafts to write, and publishing."""

import uuid
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET, GET_POST, POST, Permission, staff_view
from clinic.actions.policy import is_director
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from patients import consentneeds, consenttexts, wordchanges
from patients.access import get_consent_text_or_404
from patients.actions import consenttexts as actions
from patients.forms.consenttexts import EditConsentTextForm, PublishConsentTextForm
from patients.models import Consent, ConsentText

from .consentlines import version_text


@staff_view(Permission.CONSENT_TEXT_MANAGE, methods=GET)
def consent_texts(request: StaffRequest) -> HttpResponse:
    """Show each consent with the version in force, the next one, and how many signatures count."""
    tz = request.location.tz
    counts = Consent.objects.current(request.now).values_list("text__kind", "text__route", "text__language")
    signed = {row[:3]: row[3] for row in counts.annotate(Count("patient", distinct=True)).order_by()}
    in_force = set(ConsentText.objects.in_force(request.now).values_list("pk", flat=True))
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for text in ConsentText.objects.defer("sections").order_by("-version"):
        need = (text.kind, text.route, text.language)
        row = rows.setdefault(need, {"name": _name(text), "signed": signed.get(need, 0), "coming": []})
        if text.pk in in_force:
            row["in_force"] = _line(text, tz)
        elif text.published_at is None:
            row["draft"] = _line(text, tz)
        elif text.effective_at is not None and text.effective_at > request.now:
            row["coming"].append(_line(text, tz))
    ordered = [rows[need] for need in sorted(rows, key=lambda n: (*consentneeds.place_of(n[:2]), n[2]))]
    known = {(need[0], need[1]) for need in rows}
    missing = sum((words.kind, words.route) not in known for words in consenttexts.bundled())
    return answer(request, "patients/consent_texts.html", {"rows": ordered, "missing": missing})


def _name(text: ConsentText) -> str:
    return consentneeds.name_of(text.kind, text.route)


def _line(text: ConsentText, tz: ZoneInfo) -> dict[str, Any]:
    since = localtime.moment_text(text.effective_at, tz) if text.effective_at else ""
    return {"id": text.pk, "version": version_text(text), "since": since}


@staff_view(Permission.CONSENT_TEXT_MANAGE, methods=POST)
def draft_first_consent_texts(request: StaffRequest) -> HttpResponse:
    """Put the wordings that come with the product before the people who publish them."""
    made = actions.draft_first_texts(by=request.user, now=request.now)
    said = (
        _("%(number)d drafts are ready to be read.") % {"number": len(made)} if made else _("There are drafts of all.")
    )
    messages.success(request, said)
    return go(request, "patients:consent_texts")


@staff_view(Permission.CONSENT_TEXT_MANAGE, methods=GET)
def consent_text(request: StaffRequest, text_id: uuid.UUID) -> HttpResponse:
    """Show one version, what it changed against the one before, and the versions there are."""
    text = get_consent_text_or_404(request, text_id)
    tz = request.location.tz
    same = ConsentText.objects.filter(kind=text.kind, route=text.route, language=text.language)
    in_force = same.in_force(request.now).first()
    before = same.filter(version__lt=text.version, published_at__isnull=False).order_by("-version").first()
    context = {
        "text": text,
        "name": _name(text),
        "version": version_text(text),
        "is_draft": text.published_at is None,
        "state": _state(text, in_force, request, tz),
        "versions": [{**_line(one, tz), "is_this": one.pk == text.pk, "is_draft": one.published_at is None} for one in same.order_by("-version")],
        "passages": _changes(before, text) if before else [],
        "before": version_text(before) if before else "",
        "drafted": localtime.moment_text(text.drafted_at, tz),
    }  # fmt: skip
    return answer(request, "patients/consent_text.html", context)


def _state(text: ConsentText, in_force: ConsentText | None, request: StaffRequest, tz: ZoneInfo) -> dict[str, str]:
    if text.effective_at is None or text.published_by is None:
        return {"look": "planned", "word": _("Draft"), "text": ""}
    since = localtime.moment_text(text.effective_at, tz)
    by = {"since": since, "name": text.published_by.name}
    said = _("From %(since)s, published by %(name)s.") % by
    if in_force is not None and text.pk == in_force.pk:
        return {"look": "done", "word": _("In force"), "text": said}
    if text.effective_at > request.now:
        return {"look": "planned", "word": _("Coming"), "text": said}
    return {"look": "not_assessed", "word": _("Was in force"), "text": said}


def _changes(before: ConsentText, after: ConsentText) -> list[wordchanges.Passage]:
    """Return the passages in which anything changed; the others stand on the page anyway."""
    old, new = consenttexts.wording_of(before), consenttexts.wording_of(after)
    every = wordchanges.changes((old.title, old.sections), (new.title, new.sections))
    return [passage for passage in every if passage.is_changed]


@staff_view(Permission.CONSENT_TEXT_MANAGE, methods=POST)
def draft_consent_text(request: StaffRequest, text_id: uuid.UUID) -> HttpResponse:
    """Begin the next version with the words of the newest, or go on with the draft there is."""
    text = get_consent_text_or_404(request, text_id)
    draft = actions.draft_text(by=request.user, text=text, now=request.now)
    return go(request, "patients:edit_consent_text", draft.pk)


@staff_view(Permission.CONSENT_TEXT_MANAGE, methods=GET_POST)
def edit_consent_text(request: StaffRequest, text_id: uuid.UUID) -> HttpResponse:
    """Write a draft, section by section, in plain fields."""
    text = get_consent_text_or_404(request, text_id)
    if text.published_at is not None and request.method == "GET":
        return go(request, "patients:consent_text", text.pk)
    sections = consenttexts.sections_of(text.sections)
    posted = request.POST if request.method == "POST" else None
    form = EditConsentTextForm(posted, title=text.title, why=text.why, sections=sections)
    seen = request.POST.get("seen", "") if posted else text.text_hash
    if posted and form.is_valid():
        said = {"title": form.cleaned_data["title"], "why": form.cleaned_data["why"], "sections": form.sections()}
        try:
            actions.write_text(by=request.user, text=text, seen=seen, now=request.now, **said)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            # Told of it, they may put their words in the place of the others: the next time they have seen them.
            seen = text.text_hash if isinstance(refusal, actions.DraftChanged) else seen
        else:
            more = "more" in request.POST
            messages.success(request, _("Saved."))
            return go(request, "patients:edit_consent_text" if more else "patients:consent_text", text.pk)
    status = UNPROCESSABLE if posted else 200
    context = {"text": text, "name": _name(text), "version": version_text(text), "form": form, "seen": seen}
    return answer(request, "patients/edit_consent_text.html", context, status=status)


@staff_view(Permission.CONSENT_TEXT_MANAGE, methods=GET_POST)
def publish_consent_text(request: StaffRequest, text_id: uuid.UUID) -> HttpResponse:
    """Let a medical director put a draft in force, knowing what changes and how many sign again."""
    text = get_consent_text_or_404(request, text_id)
    tz, now = request.location.tz, request.now
    today = localtime.day_of(now, tz)
    form = PublishConsentTextForm(request.POST or None, signer=request.user, today=today, seen=text.text_hash)
    if request.method == "POST" and form.is_valid():
        day = form.cleaned_data["effective_on"]
        try:
            actions.publish_text(
                by=request.user, text=text, seen=form.cleaned_data["seen"], location=request.location, now=now,
                needs_new_signature=form.cleaned_data["needs_new_signature"], proof=form.proof(),
                effective_at=now if day == today else localtime.day_bounds(day, tz)[0],
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("%(name)s, %(version)s, is published.") % {"name": _name(text), "version": version_text(text)})  # fmt: skip
            return go(request, "patients:consent_text", text.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/publish_consent_text.html", _publish_context(request, text, form), status=status)


def _publish_context(request: StaffRequest, text: ConsentText, form: PublishConsentTextForm) -> dict[str, Any]:
    same = ConsentText.objects.filter(kind=text.kind, route=text.route, language=text.language)
    before = same.filter(published_at__isnull=False).exclude(pk=text.pk).order_by("-version").first()
    signed = Consent.objects.current(request.now).filter(text__in=same).values("patient").distinct().count()
    return {
        "text": text,
        "name": _name(text),
        "version": version_text(text),
        "form": form,
        "is_director": is_director(request.user, request.location),
        "is_published": text.published_at is not None,
        "signed": signed,
        "before": version_text(before) if before else "",
        "passages": _changes(before, text) if before else [],
    }
