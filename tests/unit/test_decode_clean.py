"""The short way through decoding agrees with the long one, and never takes what that refuses."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns.events import Events
from models.params.events import EventPolicy
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Decode, Decoded
from state.events.parse import Parse

NOW = 1_750_000_000_000
POLICY = EventPolicy(max_bytes=2_000)


def event(number: int = 1, **changes: Any) -> bytes:
    """A good event of user ann with other or further fields; one set to `...` is left out."""
    fields = {
        "event_id": f"e-{number}",
        "user_id": "ann",
        "item_id": f"item-{number % 3}",
        "event_type": "view",
        "timestamp": NOW - number,
    } | changes
    return json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()


def key_in(value: bytes) -> bytes | None:
    """The user id in a value, as a producer would take it for the key."""
    try:
        return str(json.loads(value)["user_id"]).encode()
    except (ValueError, KeyError, TypeError):
        return b"ann"


class LongWay(Parse):
    """Reads record by record whatever the records are."""

    def _together(self, _: Sequence[bytes | None]) -> None:
        return None


def long_way() -> Decode:
    decode = Decode(POLICY)
    decode._parse = LongWay(POLICY)
    return decode


def both(values: list[bytes]) -> tuple[Decoded, Decoded]:
    keys, n = [key_in(value) for value in values], len(values)
    short, long = (
        each(MicroBatch(0, keys, values, range(n), [NOW] * n), NOW)
        for each in (Decode(POLICY), long_way())
    )
    return short, long


def assert_same(values: list[bytes]) -> None:
    short, long = both(values)
    assert (short.users, short.item_ids) == (long.users, long.item_ids)
    assert short.event_ids == long.event_ids
    assert short.rejected == long.rejected
    for name in Events.__dataclass_fields__:
        mine, other = getattr(short.events, name), getattr(long.events, name)
        assert mine.dtype == other.dtype, name
        assert np.array_equal(mine, other, equal_nan=mine.dtype.kind == "f"), name


def takes(values: list[bytes]) -> bool:
    """Whether the short way takes a micro-batch."""
    return Parse(POLICY)._together(values) is not None


GOOD = [
    event(1),
    event(2, event_type="rating", value=4.5),
    event(3, event_type="purchase", value=12),
    event(4, user_id="bob", event_id=...),
    event(5, rec_id="r-1", session_id="s-1", position=2**63 - 1),
    event(6, note="é {[ \\n", more={"deep": [1, [2]]}),
    event(7, event_type="dislike", value=None),
    event(7),
]


@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=40))
def test_good_records_take_the_short_way_and_it_agrees(values: list[bytes]) -> None:
    assert takes(values)
    assert_same(values)


BAD = [
    b"",
    b"{}",
    b"null",
    b"[]",
    b"\xff",
    event(1)[:-1],
    event(1)[1:],
    event(1) + event(2),
    event(1) + b"\n" + event(2),
    event(1).replace(b", ", b",\n"),
    event(1).replace(b"view", b"vi\new"),
    event(1, note="x").replace(b'"x"', b'"\n"'),
    event(1, note="x").replace(b"x", b"\xe9"),
    event(1, timestamp=1.5),
    event(1, value="much"),
    event(1, note="x" * 3_000),
    event(1, note=0).replace(b": 0", b": " + b"[" * 65 + b"]" * 65),
]


OF_NO_USE = [
    event(1, user_id=""),
    event(1, user_id="NULL"),
    event(1, item_id="x" * 513),
    event(1, item_id="none"),
    event(1, event_id=""),
    event(1, event_type="teleport"),
    event(1, event_type="rating"),
    event(1, event_type="rating", value=9),
    event(1, timestamp=1),
    event(1, timestamp=NOW + 10**9),
    event(1, timestamp=2**70),
]
"""Records that can be read and then break a rule."""


@pytest.mark.parametrize("bad", BAD)
def test_no_bad_record_takes_the_short_way(bad: bytes) -> None:
    for values in ([bad], [event(8), bad], [bad, event(8)], [event(8), bad, event(9)]):
        assert not takes(values)
        assert_same(values)


OPEN_LIST = event(1)[:-1] + b', "a": [{}'
OPEN_TEXT = event(1)[:-1] + b', "a": "}'


@pytest.mark.parametrize(
    "values",
    [
        [OPEN_LIST, b"{}]}"],
        [event(1) + b"," + event(2), event(3)],
        [event(1) + OPEN_LIST, b"{}]}"],
        [OPEN_TEXT, b'{"}'],
        [event(1) + event(2), b"{"],
        [event(1) + b"\n" + event(2), b""],
        [event(1) + b"\n", event(2)],
        [event(1) + event(2), event(3)[:-1] + b', "b": {}', b'{"c": 1}}'],
    ],
)
def test_records_that_only_together_are_good_json_are_still_bad(values: list[bytes]) -> None:
    assert not takes(values)
    assert_same(values)


@given(st.lists(st.sampled_from(GOOD + BAD + OF_NO_USE), max_size=12))
def test_any_mix_has_the_fates_of_the_long_way(values: list[bytes]) -> None:
    assert_same(values)


def test_a_key_of_somebody_else_goes_the_long_way() -> None:
    decoded = Decode(POLICY)(MicroBatch(0, [b"bob"], [event(1)], [0], [NOW]), NOW)
    assert [one.code for one in decoded.rejected] == ["key_mismatch"]
