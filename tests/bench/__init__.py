"""``script/bench``: work items timed beside a bare view in the same run. Sizes are arguments; figures, not verdicts."""
