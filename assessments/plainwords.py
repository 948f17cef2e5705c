"""Scores in words for the person who gave the answers: no bands, no verdicts, nothing to be frightened by at night. Pure.

The words of the clinic for the same things are in scorecharts.py.
"""

from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from assessments.instrument import Definition, Direction
from assessments.outcomes import Reliable, Series, reliable
from clinic import localtime

# What a questionnaire is about, as a patient would say it. Those that are not here are talked about and not drawn: a screen for
# danger or for drinking is no progress to look at.
TITLES = {
    "daily-life": lazy("Thoughts that keep coming back"),
    "gad-7": lazy("Worry"),
    "isi": lazy("Sleep"),
    "pcl-5": lazy("After hard things that happened"),
    "phq-9": lazy("Mood"),
    "ptq": lazy("Thoughts that go round"),
    "qids-sr16": lazy("Mood, longer questions"),
    "rrs-10": lazy("Brooding"),
    "who-5": lazy("Well-being"),
}


def is_shown(code: str) -> bool:
    """Return whether a patient is shown their course of this questionnaire."""
    return code in TITLES


def title(code: str) -> str:
    return str(TITLES[code])


def which_way(direction: Direction) -> str:
    """Return which way is better, for under the picture; "" where neither is."""
    return {
        Direction.WORSE: _("Lower is better."),
        Direction.BETTER: _("Higher is better."),
        Direction.NEITHER: "",
    }[direction]


def progress(definition: Definition, series: Series, tz: ZoneInfo, *, alarms: bool = False) -> str:
    """Return one or two sentences on how the newest answer stands beside the first one.

    A change is called clear only when it is more than the wobble of the questionnaire (outcomes.reliable). Nobody whose
    newest answers alarm is told how well they are doing.
    """
    scored = [point for point in series.points if point.value is not None]
    if not scored:
        return _("There is nothing to draw yet.")
    first, last = scored[0], scored[-1]
    day = localtime.day_text(localtime.day_of(last.at, tz))
    if len(scored) == 1:
        return _("Your first answers are from %(day)s. With the next ones a line begins.") % {"day": day}
    if alarms:
        return _("Your newest answers are from %(day)s. Numbers do not say everything: if things are hard now, you need not wait. “Need help now?” at the top of this page says whom to call.") % {"day": day}  # fmt: skip
    assert first.value is not None
    assert last.value is not None
    change = last.value - first.value
    since = localtime.day_text(localtime.day_of(first.at, tz))
    better = change if definition.higher_is is Direction.BETTER else -change
    if definition.higher_is is Direction.NEITHER or reliable(definition, change) is not Reliable.YES:
        return _("From %(since)s to %(day)s: not clearly different. Ups and downs like these are common.") % {
            "since": since, "day": day,
        }  # fmt: skip
    if better > 0:
        return _("From %(since)s to %(day)s: clearly better.") % {"since": since, "day": day}
    return _("From %(since)s to %(day)s: harder than at the start. Your team sees this too. Tell them how you are.") % {
        "since": since, "day": day,
    }  # fmt: skip
