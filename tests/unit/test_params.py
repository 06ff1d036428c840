"""Parameters are checked where they are made."""

from typing import Any

import pytest

from models.params.events import EventPolicy
from models.params.users import UserParams


def test_the_defaults_are_sound() -> None:
    assert EventPolicy().weights["impression"] == 0
    assert UserParams().history > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", {"view": float("nan"), "rating": 1.0}),
        ("weights", {"view": 1.0}),
        ("lowest_rating", 6.0),
        ("highest_rating", float("inf")),
        ("max_bytes", 0),
        ("max_id_bytes", 0),
        ("sentinel_ids", frozenset({"Nobody"})),
        ("earliest_ms", -1),
        ("max_future_ms", -1),
        ("buckets", 0),
        ("buckets", 48),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"EventPolicy\.\w+: expected .*, got .*; change the con"):
        EventPolicy(**{field: value})


@pytest.mark.parametrize("field", ["history", "recent_events", "exclusions", "session_gap_ms"])
def test_a_bound_without_room_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=rf"UserParams\.{field}: expected >= 1, got 0; "):
        UserParams(**{field: 0})
