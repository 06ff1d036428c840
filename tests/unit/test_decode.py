"""Whatever the bytes: each record is an event or is rejected, with the code of the first check."""

import gzip
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.keys import bucket_of, key_of
from models.params.events import EventPolicy
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Decode, Decoded
from state.events.codes import Code

NOW = 1_750_000_000_000
POLICY = EventPolicy(max_bytes=300_000)
DECODE = Decode(POLICY)
GOOD: dict[str, Any] = {
    "event_id": "e-1",
    "user_id": "ann",
    "item_id": "item-1",
    "event_type": "view",
    "timestamp": NOW,
}


def event(**changes: Any) -> bytes:
    """A good event with other or further fields; a field set to `...` is left out."""
    fields = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return json.dumps(fields).encode()


def raw(field: str, text: str) -> bytes:
    """A good event with one field spelt as given."""
    return event(**{field: "@"}).replace(b'"@"', text.encode())


def decode(*values: bytes | None, keys: list[bytes | None] | None = None) -> Decoded:
    """Decode records without key, or with the given ones, in the bucket of user ann."""
    n = len(values)
    bucket = bucket_of("ann", POLICY.buckets)
    return DECODE(MicroBatch(bucket, keys or [None] * n, values, range(n), [NOW] * n), NOW)


def test_good_events_become_columns() -> None:
    decoded = decode(
        event(),
        event(event_id="e-2", user_id="bob", event_type="rating", value=4, item_id="x"),
        event(event_id="e-3", event_type="impression", timestamp=NOW - 5, position=3),
        keys=[None, b"bob", b"ann"],
    )
    assert decoded.rejected == []
    assert decoded.users == ["ann", "bob"]
    assert decoded.item_ids == ["item-1", "x", "item-1"]
    assert decoded.event_ids == ["e-1", "e-2", "e-3"]
    events = decoded.events
    assert events.user.tolist() == [0, 1, 0]
    assert events.item.tolist() == [key_of("item-1"), key_of("x"), key_of("item-1")]
    assert events.identity.tolist() == [key_of("e-1"), key_of("e-2"), key_of("e-3")]
    liking = (4 - POLICY.rating_centre) / (5 - POLICY.rating_centre)
    assert events.weight.tolist() == [1, np.float32(liking), 0]
    assert np.array_equal(events.value, np.array([np.nan, 4, np.nan], np.float32), equal_nan=True)
    assert events.time.tolist() == [NOW, NOW, NOW - 5]
    assert events.published.tolist() == [NOW] * 3
    assert events.coordinate.tolist() == [0, 1, 2]


def test_only_rating_events_carry_a_rating() -> None:
    decoded = decode(
        event(event_type="rating", value=4.5),
        event(event_id="e-2", event_type="purchase", value=4.99),
        event(event_id="e-3", event_type="impression", value=3),
    )
    assert decoded.rejected == []
    assert np.array_equal(
        decoded.events.value, np.array([4.5, np.nan, np.nan], np.float32), equal_nan=True
    )


def test_columns_have_their_types_even_when_empty() -> None:
    for decoded in (decode(), decode(b"", None), decode(event())):
        kinds = [getattr(decoded.events, name).dtype for name in decoded.events.__slots__]
        assert kinds == ["i4", "u8", "u8", "u4", "u4", "f4", "f4", "i8", "i8", "i8", "i8", "?", "?"]


def test_an_event_without_id_is_known_by_its_content() -> None:
    same = event(event_id=...)
    first, again, null, other = (
        decode(value).events.identity[0]
        for value in (same, same, event(event_id=None), event(event_id=..., item_id="item-2"))
    )
    assert first == again == null
    assert first != other
    assert decode(same).event_ids == [f"{int(first):016x}"]


def test_rejected_records_leave_no_gap_in_the_columns() -> None:
    decoded = decode(b"{", event(), None, event(item_id="b"), b"[]")
    assert decoded.events.coordinate.tolist() == [1, 3]
    assert [one.position for one in decoded.rejected] == [0, 2, 4]
    assert [one.code for one in decoded.rejected] == ["truncated", "tombstone", "not_object"]


def test_a_user_without_an_accepted_event_is_not_listed() -> None:
    decoded = decode(event(user_id="bob", event_id=""), event(), keys=[b"bob", b"ann"])
    assert decoded.users == ["ann"]


@pytest.mark.parametrize(
    "value",
    [
        event(value=-0.0),
        event(value=3.4028234663852886e38),
        event(value=10**20),
        event(position=-(2**63)),
        event(session_id=None, rec_id=None, position=None, value=None),
        event(item_id="x" * 512, event_id="~" * 512),
        event(item_id="Rose Garden_2015", event_id="é (1)"),
        event(item_id="crème-brûlée [new] {x}"),
        event(item_id="商品-42"),
        event(item_id="https://shop.example/" + "p/" * 200 + "?q=1&r=2"),
        event(item_id="🎁"),
        event(item_id="0"),
        event(session_id=1_764_146_000),
        event(session_id=""),
        event(session_id="tab 3 / 09:00", rec_id=[], position="sidebar"),
        event(value="12.99 EUR"),
        event(value={"amount": 3}),
        event(value=3.5e38),
        raw("value", "1e400"),
        event(timestamp=POLICY.earliest_ms),
        event(timestamp=NOW + POLICY.max_future_ms),
        event(event_type="rating", value=0.5),
        event(event_type="rating", value=5.0),
        event(unknown={"deep": [[[]]]}, **{f"field-{i}": i for i in range(1_000)}),
        event(note='é\u200b\U0001f600 { [ ] \\ " }'),
        event(note="{[" * 5_000),
        event(note=[{}] * 5_000),
        b"\n\t " + event() + b" \r\n",
        event(item_id="other", user_id="other")[:-1] + b',"item_id":"a","user_id":"ann"}',
        raw("note", "1e400"),
        raw("note", "9" * 5_000),
        raw("event_type", '"\\u0076iew"'),
    ],
)
def test_unusual_but_good_events_are_accepted(value: bytes) -> None:
    assert decode(value).rejected == []
    assert len(decode(value).events) == 1


NESTED = "[" * 65 + "]" * 65
REFUSED: list[tuple[str, str, bytes | None]] = [
    ("tombstone", "", None),
    ("oversize", "", b" " * 300_001),
    ("oversize", "", event(note="x" * 300_000)),
    ("empty", "", b""),
    ("empty", "", b" \t\r\n"),
    ("invalid_utf8", "", b"\xff"),
    ("invalid_utf8", "", event().replace(b"item-1", b"item-\xff")),
    ("invalid_utf8", "", event(note="x").replace(b'"x"', b'"\xed\xa0\x80"')),
    ("invalid_utf8", "", event(note="x").replace(b'"x"', b'"\xc0\xaf"')),
    ("invalid_utf8", "", event(note="x").replace(b"note", b"n\xfete")),
    ("invalid_utf8", "", event().decode().encode("utf-16")),
    ("invalid_utf8", "", gzip.compress(event(), mtime=0)),
    ("invalid_utf8", "", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94."),
    ("invalid_utf8", "", b"\x28\xb5\x2f\xfd" + event()),
    ("invalid_json", "", event().decode().encode("utf-16-le")),
    ("invalid_json", "", b"\xef\xbb\xbf" + event()),
    ("invalid_json", "", b"\0" + event()),
    ("invalid_json", "", event() + b"\0"),
    ("invalid_json", "", event() + event()),
    ("invalid_json", "", event() + b"\n" + event()),
    ("invalid_json", "", event() + b"x"),
    ("invalid_json", "", b"view"),
    ("invalid_json", "", b"{'a': 1}"),
    ("invalid_json", "", raw("note", "NaN")),
    ("invalid_json", "", raw("value", "NaN")),
    ("invalid_json", "", raw("value", "Infinity")),
    ("invalid_json", "", raw("value", "-")),
    ("invalid_json", "", raw("value", "01")),
    ("invalid_json", "", raw("value", "+1")),
    ("invalid_json", "", raw("note", '"a\nb"')),
    ("invalid_json", "", raw("note", '"\\q"')),
    ("invalid_json", "", raw("note", "[1,]")),
    ("invalid_json", "", raw("note", NESTED)),
    ("invalid_json", "", raw("note", "[" * 100_000 + "]" * 100_000)),
    ("invalid_json", "", b'{"a":' * 50_000),
    ("invalid_json", "", b"[" * 100_000),
    ("invalid_json", "", raw("note", '"\\ud800"')),
    ("invalid_json", "", raw("note", '"\\ud800 and a long text behind it"')),
    ("invalid_json", "", raw("user_id", '"ann\\udc00"')),
    ("invalid_json", "", raw("item_id", '"\\ud800\\u0041"')),
    ("truncated", "", event()[:-1]),
    ("truncated", "", event()[:20]),
    ("truncated", "", b'{"user_id":"ann\\'),
    ("truncated", "", b"{"),
    ("not_object", "", b"[]"),
    ("not_object", "", b"null"),
    ("not_object", "", b"1e400"),
    ("not_object", "", b'"text"'),
    ("not_object", "", b" [" + event() + b"]"),
    ("missing_field", "user_id", b"{}"),
    ("missing_field", "user_id", event(user_id=...)),
    ("missing_field", "item_id", event(item_id=...)),
    ("missing_field", "event_type", event(event_type=...)),
    ("missing_field", "timestamp", event(timestamp=...)),
    ("wrong_type", "event_id", event(event_id=5)),
    ("wrong_type", "user_id", event(user_id=None)),
    ("wrong_type", "user_id", event(user_id=["ann"])),
    ("wrong_type", "item_id", event(item_id=1)),
    ("wrong_type", "event_type", event(event_type=True)),
    ("wrong_type", "timestamp", event(timestamp=str(NOW))),
    ("wrong_type", "timestamp", event(timestamp=float(NOW))),
    ("wrong_type", "timestamp", event(timestamp=True)),
    ("wrong_type", "timestamp", event(timestamp=None)),
    ("wrong_type", "timestamp", raw("timestamp", "1e12")),
    ("wrong_type", "timestamp", raw("timestamp", "1e400")),
    ("wrong_type", "value", event(event_type="rating", value="5")),
    ("wrong_type", "value", event(event_type="rating", value=False)),
    ("wrong_type", "value", event(event_type="rating", value={})),
    ("invalid_id", "user_id", event(user_id="")),
    ("invalid_id", "user_id", event(user_id="ann\u0085")),
    ("invalid_id", "user_id", event(user_id="ann\n")),
    ("invalid_id", "user_id", event(user_id="\0ann")),
    ("invalid_id", "item_id", event(item_id="é" * 257)),
    ("invalid_id", "item_id", event(item_id="\x7f")),
    ("invalid_id", "event_id", event(event_id="")),
    ("invalid_id", "event_id", event(event_id="x" * 513)),
    ("sentinel_id", "user_id", event(user_id="null")),
    ("sentinel_id", "user_id", event(user_id="Anonymous")),
    ("sentinel_id", "user_id", event(user_id="-1")),
    ("sentinel_id", "item_id", event(item_id="UNDEFINED")),
    ("sentinel_id", "item_id", event(item_id="0000")),
    ("sentinel_id", "user_id", event(user_id="00000000-0000-0000-0000-000000000000")),
    ("sentinel_id", "item_id", event(item_id="--")),
    ("sentinel_id", "item_id", event(item_id="?")),
    ("sentinel_id", "item_id", event(item_id=" ")),
    ("unknown_event_type", "event_type", event(event_type="teleport")),
    ("unknown_event_type", "event_type", event(event_type="View")),
    ("unknown_event_type", "event_type", event(event_type="")),
    ("value_range", "value", event(event_type="rating")),
    ("value_range", "value", event(event_type="rating", value=None)),
    ("value_range", "value", event(event_type="rating", value=0.499)),
    ("value_range", "value", event(event_type="rating", value=5.001)),
    ("value_range", "value", raw("value", "1e400").replace(b"view", b"rating")),
    ("value_range", "value", raw("value", "1" + "0" * 5_000).replace(b"view", b"rating")),
    ("timestamp_negative", "timestamp", event(timestamp=-1)),
    ("timestamp_negative", "timestamp", raw("timestamp", "-" + "9" * 5_000)),
    ("timestamp_past", "timestamp", event(timestamp=0)),
    ("timestamp_past", "timestamp", event(timestamp=NOW // 1_000)),
    ("timestamp_past", "timestamp", event(timestamp=POLICY.earliest_ms - 1)),
    ("timestamp_future", "timestamp", event(timestamp=NOW + POLICY.max_future_ms + 1)),
    ("timestamp_future", "timestamp", event(timestamp=NOW * 1_000)),
    ("timestamp_future", "timestamp", event(timestamp=2**63)),
    ("timestamp_future", "timestamp", raw("timestamp", "9" * 5_000)),
    ("ambiguous_user", "user_id", event(user_id="somebody-else")),
    ("ambiguous_user", "user_id", event()[:-1] + b',"user_id":"somebody-else"}'),
]


@pytest.mark.parametrize(("code", "field", "value"), REFUSED)
def test_a_bad_record_is_rejected_with_its_code(code: str, field: str, value: bytes) -> None:
    decoded = decode(value)
    assert len(decoded.events) == 0
    assert [(one.code, one.field) for one in decoded.rejected] == [(code, field)]


def test_every_code_is_shown_by_an_example() -> None:
    elsewhere = {"too_many_lines", "key_mismatch", "id_conflict", "late"}
    assert {code for code, _, _ in REFUSED} | elsewhere == {code.value for code in Code}


@pytest.mark.parametrize("key", [b"", b"bob", b"ann ", b"\xff", b"ann\0", b"x" * 10_000])
def test_a_key_that_is_not_the_user_id_is_a_mismatch(key: bytes) -> None:
    assert [one.code for one in decode(event(), keys=[key]).rejected] == ["key_mismatch"]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("missing_field", event(user_id=..., item_id="", event_type="teleport")),
        ("wrong_type", event(user_id="", event_id=5)),
        ("invalid_id", event(user_id="null", item_id="", event_type="teleport")),
        ("sentinel_id", event(user_id="null", event_type="teleport", timestamp=-1)),
        ("unknown_event_type", event(event_type="teleport", timestamp=-1)),
        ("value_range", event(event_type="rating", value=9, timestamp=-1)),
        ("timestamp_negative", event(timestamp=-1, user_id="somebody-else")),
    ],
)
def test_the_first_failing_check_gives_the_code(code: str, value: bytes) -> None:
    assert [one.code for one in decode(value).rejected] == [code]


def test_one_bad_record_among_good_ones_changes_nothing_for_them() -> None:
    good = [event(event_id=f"e-{i}") for i in range(5)]
    for _, _, bad in REFUSED:
        decoded = decode(*good[:2], bad, *good[2:])
        assert decoded.event_ids == [f"e-{i}" for i in range(5)]
        assert [one.position for one in decoded.rejected] == [2]


def test_messages_are_short_and_hold_no_payload() -> None:
    canary = "canary-0123456789"
    for field in (*GOOD, "value", "rec_id", "position", "session_id"):
        for text in (canary, canary + "\u200b", [canary], {canary: canary}, canary * 50):
            for one in decode(event(**{field: text, canary: canary}), event()[:-9]).rejected:
                assert "canary" not in f"{one.code}{one.field}{one.message}"
                assert len(one.message) <= 200
    for one in decode(*(value for _, _, value in REFUSED)).rejected:
        assert len(one.message) <= 200
        assert one.message.startswith("expected ")


def test_a_long_list_of_event_types_does_not_make_a_long_message() -> None:
    names = {f"type-{i}": 1.0 for i in range(100)} | {"rating": 1.0}
    (one,) = Decode(EventPolicy(weights=names))(
        MicroBatch(0, [b"ann"], [event()], [0], [NOW]), NOW
    ).rejected
    assert one.code == "unknown_event_type"
    assert len(one.message) <= 200


def test_the_depth_that_is_accepted_does_not_depend_on_the_caller() -> None:
    def deeper(levels: int) -> Decoded:
        return deeper(levels - 1) if levels else decode(raw("note", "[" * 63 + "]" * 63))

    assert len(deeper(0).events) == len(deeper(800).events) == 1
    assert decode(raw("note", "[" * 64 + "]" * 64)).rejected[0].code == "invalid_json"


def assert_one_fate_each(decoded: Decoded, records: int) -> None:
    rejected = [one.position for one in decoded.rejected]
    accepted = decoded.events.coordinate.tolist()
    assert sorted(rejected + accepted) == list(range(records))
    assert len(decoded.item_ids) == len(decoded.event_ids) == len(accepted)
    assert set(decoded.events.user.tolist()) == set(range(len(decoded.users)))
    assert {one.code for one in decoded.rejected} <= {code.value for code in Code}


RECORDS = st.lists(st.tuples(st.none() | st.binary(max_size=20), st.none() | st.binary()))


@given(records=RECORDS)
def test_arbitrary_bytes_have_exactly_one_fate(
    records: list[tuple[bytes | None, bytes | None]],
) -> None:
    keys, values = [key for key, _ in records], [value for _, value in records]
    assert_one_fate_each(decode(*values, keys=keys), len(records))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = [*GOOD, "value", "rec_id", "position", "session_id", "note"]
CHANGES = st.builds(
    lambda kind, time, odd: {"event_type": kind, "timestamp": time} | odd,
    st.sampled_from([*POLICY.weights, "teleport"]),
    st.just(NOW) | st.integers(NOW - 10**13, NOW + 10**6),
    st.dictionaries(st.sampled_from(NAMES), ANYTHING | st.just(...), max_size=2),
)


@st.composite
def near_events(draw: st.DrawFn) -> bytes:
    """Events with a few odd fields, and now and then a byte changed, cut off or put in."""
    value = bytearray(event(**draw(CHANGES)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        place = draw(st.integers(0, len(value) - 1))
        value[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
        value = value or bytearray(b" ")
    return bytes(value)


@given(values=st.lists(near_events(), min_size=1, max_size=4))
def test_near_events_have_exactly_one_fate_whatever_stands_beside_them(
    values: list[bytes],
) -> None:
    decoded = decode(*values)
    assert_one_fate_each(decoded, len(values))
    alone = [decode(value) for value in values]
    codes = [one.rejected[0].code for one in alone if one.rejected]
    assert [one.code for one in decoded.rejected] == codes
    for one in decoded.rejected:
        assert "two parsers" not in one.message
        assert "parser fails" not in one.message


@given(changes=CHANGES)
def test_what_is_accepted_is_what_was_sent(changes: dict[str, Any]) -> None:
    decoded = decode(event(**changes))
    if decoded.rejected:
        return
    sent = json.loads(event(**changes))
    assert decoded.users == [sent["user_id"]]
    assert decoded.item_ids == [sent["item_id"]]
    assert decoded.events.time.tolist() == [sent["timestamp"]]
    if sent["event_type"] != POLICY.rating_type:
        assert decoded.events.weight.tolist() == [POLICY.weights[sent["event_type"]]]
    rating = sent["value"] if sent["event_type"] == POLICY.rating_type else np.nan
    assert np.array_equal(decoded.events.value, [np.float32(rating)], equal_nan=True)
