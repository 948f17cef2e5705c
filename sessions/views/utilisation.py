"""Utilisation: how a location's hours were used and what became of its visits, for its managers. No patient's name."""

from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import Any, Literal

from django.http import HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import localtime
from clinic.access import Permission, managed_location, staff_view
from clinic.http import StaffRequest, answer
from sessions import sheet, usage, utilisation
from sessions.usage import Compared, Key
from sessions.utilisation import Length, Outcomes, Period, Share, Spread, Use

LENGTHS: dict[Length, Any] = {
    "week": gettext_lazy("Week"),
    "month": gettext_lazy("Month"),
    "quarter": gettext_lazy("Quarter"),
}
RATES = ("no_shows", "late_cancels", "clinic_cancels")
# Before it nobody kept a schedule; after it the calendar's own end would be near.
FIRST_YEAR, LAST_YEAR = 2000, 2200


@staff_view(Permission.HOURS_MANAGE)
def utilisation_report(request: StaffRequest) -> HttpResponse:
    """Room and people use, missed and cancelled visits and the wait for an intake, beside the period before."""
    location = managed_location(request, Permission.HOURS_MANAGE)
    today = localtime.day_of(request.now, location.tz)
    period = _asked(request, today)
    found = usage.compared(location, period, request.now)
    before, after = period.before(), period.after()
    context = {
        "location": location,
        "title": _title(period),
        "zone": localtime.zone_text(request.now, location.tz),
        "is_running": period.first <= today < period.end,
        "before_title": _title(before),
        "lengths": [
            {"label": label, "url": _url(length, min(today, period.end)), "is_current": length == period.length}
            for length, label in LENGTHS.items()
        ],
        "before_url": _url(period.length, before.first),
        "after_url": _url(period.length, after.first) if after.first <= today else "",
        "csv_url": _url(period.length, period.first, "utilisation_csv"),
        "rooms": _uses(found.now.rooms, found.before.rooms, found.names),
        "people": _uses(found.now.people, found.before.people, found.names),
        "rates": _rates(found.now.outcomes, found.before.outcomes),
        "kinds": _outcomes(found.now.by_kind, found.before.by_kind, found.names),
        "by_person": _outcomes(found.now.by_person, found.before.by_person, found.names),
        "not_said": found.now.outcomes.not_said,
        "lead": _lead(found.now.lead),
        "lead_before": _lead(found.before.lead),
        "lead_bars": _lead_bars(found.now.lead, found.before.lead),
    }
    return answer(request, "sessions/utilisation_report.html", context)


@staff_view(Permission.HOURS_MANAGE)
def utilisation_csv(request: StaffRequest) -> HttpResponse:
    """The same numbers as a spreadsheet: one line a room, person and kind of visit, each with what it is a share of."""
    location = managed_location(request, Permission.HOURS_MANAGE)
    period = _asked(request, localtime.day_of(request.now, location.tz))
    found = usage.compared(location, period, request.now)
    name = f"utilisation-{period.length}-{period.first.isoformat()}.csv"
    head = [_("Number"), _("Of"), _("Unit"), _("Part"), _("Whole"), _("Part before"), _("Whole before")]
    return HttpResponse(
        sheet.write(head, _lines(found)), content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )  # fmt: skip


def _asked(request: StaffRequest, today: date) -> Period:
    """Return the period that the address names; what it cannot mean, or what has not begun, is the one of today."""
    length = request.GET.get("by", "")
    chosen: Length = length if length in LENGTHS else "month"
    try:
        day = date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        day = today
    if not FIRST_YEAR <= day.year <= LAST_YEAR or day > today:
        day = today
    return utilisation.period_of(chosen, day)


def _url(
    length: Length, day: date, name: Literal["utilisation_report", "utilisation_csv"] = "utilisation_report"
) -> str:
    return f"{reverse(f'sessions:{name}')}?by={length}&day={day.isoformat()}"


def _title(period: Period) -> str:
    first = period.first
    if period.length == "month":
        return formats.date_format(first, "F Y")
    if period.length == "quarter":
        return _("Quarter %(number)s of %(year)s") % {"number": (first.month + 2) // 3, "year": first.year}
    return _("Week from %(day)s") % {"day": formats.date_format(first, "D j M Y")}


def _uses(now: Mapping[Any, Use], before: Mapping[Any, Use], names: Mapping[Key, str]) -> list[dict[str, Any]]:
    """Return a line for each, and one for all together when there are several."""
    rows = [_use(names[key], use, before.get(key, Use())) for key, use in now.items()]
    if len(rows) > 1:
        rows.append({**_use(_("Together"), sum(now.values(), Use()), sum(before.values(), Use())), "is_total": True})
    return rows


def _use(name: str, now: Use, before: Use) -> dict[str, Any]:
    return {
        "name": name,
        "taken": _hours(now.within.part),
        "whole": _hours(now.within.whole),
        "outside": _hours(now.outside) if now.outside else "",
        "share": _share(now.within, _("no hours")),
        "before": _share(before.within, _("no hours")),
    }


def _share(share: Share, none: str) -> dict[str, str]:
    """Return a share in words and as the length of a bar; ``none`` where there is nothing to be a share of."""
    percent = share.percent
    return {
        "text": none if percent is None else f"{percent} %",
        "bar": "" if percent is None else str(min(percent, 100)),
    }


def _rates(now: Outcomes, before: Outcomes) -> list[dict[str, Any]]:
    words = {
        "no_shows": (_("Did not come"), _("Of the visits of which it is known whether the patient came.")),
        "late_cancels": (_("Cancelled late"), _("Cancelled by the patient within the notice of that kind of visit, of all that were booked.")),
        "clinic_cancels": (_("Cancelled by us"), _("Cancelled by the clinic, of all that were booked.")),
    }  # fmt: skip
    return [
        {"name": name, "meaning": meaning, **_rate(getattr(now, rate), getattr(before, rate))}
        for rate, (name, meaning) in words.items()
    ]


def _rate(now: Share, before: Share) -> dict[str, Any]:
    return {
        "share": _share(now, _("no visits")),
        "of": _of(now),
        "before": _share(before, _("no visits")),
        "before_of": _of(before),
    }


def _of(share: Share) -> str:
    return _("%(part)d of %(whole)d") % {"part": share.part, "whole": share.whole} if share.whole else ""


def _outcomes(
    now: Mapping[Any, Outcomes], before: Mapping[Any, Outcomes], names: Mapping[Key, str]
) -> list[dict[str, Any]]:
    return [
        {
            "name": names[key],
            "booked": became.booked,
            "rates": [
                _rate(getattr(became, rate), getattr(before.get(key, Outcomes()), rate)) for rate in RATES
            ],
        }
        for key, became in sorted(now.items(), key=lambda item: names[item[0]])
    ]  # fmt: skip


def _lead(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return {
        "count": spread.count, "median": _days(spread.median), "low": _days(spread.low), "high": _days(spread.high),
        "longest": _days(spread.longest),
    }  # fmt: skip


def _lead_bars(now: Spread | None, before: Spread | None) -> list[dict[str, str]]:
    """Return the middle half of each period with its median, in percent of the longest wait of both: one scale to compare."""
    spreads = [one for one in (now, before) if one is not None]
    longest = max((one.longest for one in spreads), default=Fraction(0)) or Fraction(1)

    def percent(days: Fraction) -> str:
        return f"{float(100 * days / longest):.1f}"

    return [
        {
            "look": look, "y": y, "height": height,
            "low": percent(one.low), "width": percent(one.high - one.low), "median": percent(min(one.median, longest * 99 / 100)),
        }
        for one, look, y, height in ((now, "now", "0", "8"), (before, "before", "9", "3"))
        if one is not None
    ]  # fmt: skip


def _days(days: Fraction) -> str:
    return formats.number_format(round(float(days), 1), 1)


def _hours(seconds: int) -> str:
    return formats.number_format(round(seconds / 3600, 1), 1)


def _lines(found: Compared) -> Iterable[list[str]]:
    """Return the lines of the spreadsheet. Hours are whole minutes, so that they can be added up."""
    for what, uses, before in (
        (_("Room use"), found.now.rooms, found.before.rooms),
        (_("People use"), found.now.people, found.before.people),
    ):
        for key, use in uses.items():
            earlier = before.get(key, Use())
            parts = (use.within.part, use.within.whole, earlier.within.part, earlier.within.whole)
            yield [what, found.names[key], _("minutes"), *(str(part // 60) for part in parts)]
    groups: tuple[tuple[Mapping[Any, Outcomes], Mapping[Any, Outcomes]], ...] = (
        (found.now.by_kind, found.before.by_kind),
        (found.now.by_person, found.before.by_person),
    )
    for outcomes, earlier_ones in groups:
        for key, became in outcomes.items():
            for rate, word in zip(RATES, (_("Did not come"), _("Cancelled late"), _("Cancelled by us")), strict=True):
                share, was = getattr(became, rate), getattr(earlier_ones.get(key, Outcomes()), rate)
                parts = (share.part, share.whole, was.part, was.whole)
                yield [word, found.names[key], _("visits"), *(str(part) for part in parts)]
