"""What makes a visit possible for somebody: an interpreter, a way in without steps, help with hearing or sight.

Pure: words and an icon for each need, never a colour alone. That nobody asked yet is said too, where a visit is booked and where it
is prepared.
"""

from typing import NamedTuple

from django.utils.translation import gettext as _

# On a card of a board there is room for so much of what was written freely.
BRIEF = 60


class Need(NamedTuple):
    """One need, with the icon that stands beside its words."""

    icon: str
    words: str


class Asked(NamedTuple):
    """The answers of one patient, in the order in which queries read them. None and "" are "not asked", or nothing said."""

    needs_interpreter: bool | None
    interpreter_language: str
    language: str
    uses_wheelchair: bool | None
    hard_of_hearing: bool | None
    low_vision: bool | None
    access_needs: str


def needs_of(asked: Asked, *, brief: bool = False) -> list[Need]:
    """Return the needs, what changes who has to be booked first; ``brief`` cuts what was written freely."""
    found = []
    if asked.needs_interpreter:
        speaks = asked.interpreter_language or (_("Spanish") if asked.language == "es" else "")
        found.append(
            Need("translate", _("Interpreter: %(language)s") % {"language": speaks} if speaks else _("Interpreter"))
        )
    if asked.uses_wheelchair:
        found.append(Need("person-wheelchair", _("Wheelchair: no steps")))
    if asked.hard_of_hearing:
        found.append(Need("ear", _("Hard of hearing")))
    if asked.low_vision:
        found.append(Need("eye", _("Low vision")))
    if asked.access_needs:
        text = asked.access_needs
        cut = brief and len(text) > BRIEF
        found.append(Need("universal-access", text[: BRIEF - 1].rstrip() + "…" if cut else text))
    return found


def not_asked(asked: Asked) -> list[str]:
    """Return what nobody asked yet, in words. Something written freely answers for access, not for the interpreter."""
    missing = [_("interpreter")] if asked.needs_interpreter is None else []
    answers = (asked.uses_wheelchair, asked.hard_of_hearing, asked.low_vision)
    if not asked.access_needs and None in answers:
        missing.append(_("access needs"))
    return missing
