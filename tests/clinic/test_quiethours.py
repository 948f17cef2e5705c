"""The window in the reader's own zone, over both clock changes and in a zone that has none."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic import quiethours
from clinic.quiethours import Window

WINDOW = Window.of(["08:30", "20:00"])
DENVER, PHOENIX = ZoneInfo("America/Denver"), ZoneInfo("America/Phoenix")
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone itself
ZONES = st.sampled_from(
    [DENVER, PHOENIX, ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Apia"), ZoneInfo("Europe/Lisbon")]
)


def denver(day, hour, minute=0, month=1, tz=DENVER):
    return datetime(2027, month, day, hour, minute, tzinfo=tz)


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        (denver(13, 8, 30), denver(13, 8, 30)),
        (denver(13, 8, 29), denver(13, 8, 30)),
        (denver(13, 0, 0), denver(13, 8, 30)),
        (denver(13, 19, 59), denver(13, 19, 59)),
        (denver(13, 20, 0), denver(14, 8, 30)),
        (denver(31, 23, 59), denver(1, 8, 30, month=2)),
        # The nights of the clock changes are 7.5 and 9.5 hours from 01:00 to 08:30 less and more one.
        (denver(14, 1, 0, month=3), denver(14, 8, 30, month=3)),
        (denver(7, 1, 0, month=11), denver(7, 8, 30, month=11)),
    ],
)
def test_next_opening(moment, opening):
    assert quiethours.next_opening(moment, WINDOW, DENVER) == opening


def test_half_past_eight_in_denver_is_night_in_phoenix_in_summer():
    assert not quiethours.is_open(denver(14, 8, 30, month=7), WINDOW, PHOENIX)
    assert quiethours.next_opening(denver(14, 8, 30, month=7), WINDOW, PHOENIX) == denver(14, 9, 30, month=7)


@pytest.mark.parametrize(
    ("wanted", "until", "goes"),
    [
        (denver(13, 10), denver(13, 12), denver(13, 10)),
        (denver(13, 7), denver(13, 9), denver(13, 8, 30)),
        (denver(13, 7), denver(13, 8), denver(12, 19, 30)),
        (denver(13, 7), denver(13, 8, 30), denver(12, 19, 30)),
        (denver(13, 22), denver(14, 7), denver(13, 19, 30)),
    ],
)
def test_fit(wanted, until, goes):
    assert quiethours.fit(wanted, WINDOW, DENVER, until) == goes


@given(moment=MOMENTS, tz=ZONES, hours=st.integers(0, 60))
def test_a_letter_never_goes_at_night(moment, tz, hours):
    goes = quiethours.fit(moment, WINDOW, tz, moment + timedelta(hours=hours))
    assert quiethours.is_open(goes, WINDOW, tz)
    assert moment - timedelta(hours=26) <= goes <= moment + timedelta(hours=26)


@given(moment=MOMENTS, tz=ZONES)
def test_openings_are_the_first(moment, tz):
    opening = quiethours.next_opening(moment, WINDOW, tz)
    assert quiethours.next_opening(opening, WINDOW, tz) == opening
    assert opening == moment or opening.astimezone(tz).time() == time(8, 30)


@pytest.mark.parametrize("pair", [["20:00", "08:30"], ["09:00", "09:00"]])
def test_a_window_that_never_opens_is_refused(pair):
    with pytest.raises(ValueError, match="never opens"):
        Window.of(pair)
