"""Accepted events as they travel: a batch comes back as it was, or is refused."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.columns.accepted import AcceptedBatch
from state.codec.sealed import CorruptError, StateError, seal
from state.topics import accepted


def batch(
    events: int = 5,
    users: int = 2,
    ids: int = 3,
    unnamed: int = 2,
    negatives: int = 2,
    oldest: int = 0,
) -> AcceptedBatch:
    """A random batch of that many events, users, items with and without id."""
    random = np.random.default_rng(0)
    keys = ids + unnamed
    contexts = random.integers(0, 4, users)
    return AcceptedBatch(
        origin=2**64 - 1,
        bucket=7,
        keys=random.integers(0, 2**64, keys, np.uint64),
        ids=[f"item-é-{i}" for i in range(ids)],
        user=random.integers(0, max(users, 1), events).astype(np.int32),
        item=random.integers(0, max(ids, 1), events).astype(np.int32),
        coordinate=random.integers(0, 2**62, events),
        weight=random.random(events, np.float32),
        value=np.where(random.random(events) < 0.5, np.nan, 3).astype(np.float32),
        time=1_700_000_000_000,
        context=random.integers(0, max(keys, 1), contexts.sum()).astype(np.int32),
        context_start=np.cumsum([0, *contexts]).astype(np.int32),
        factors=random.random((users, 3), np.float32),
        negatives=random.integers(-1, max(keys, 1), (events, negatives)).astype(np.int32),
        gradients=random.random((events, 1 + negatives), np.float32),
        age=random.integers(0, oldest, events, np.uint32) if oldest else np.empty(0, np.uint32),
    )


def assert_same(found: AcceptedBatch, expected: AcceptedBatch) -> None:
    for field in fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), field.name
            assert a.flags.carray, field.name  # writable, aligned and C-contiguous
        else:
            assert a == b, field.name


@given(
    events=st.integers(0, 5),
    users=st.integers(0, 3),
    ids=st.integers(0, 3),
    unnamed=st.integers(0, 2),
    negatives=st.integers(0, 3),
    oldest=st.sampled_from([0, 200, 10**9]),
)
def test_a_batch_comes_back(
    events: int, users: int, ids: int, unnamed: int, negatives: int, oldest: int
) -> None:
    assume((users and ids) or not events)
    assume(ids + unnamed or not users)
    original = batch(events, users, ids, unnamed, negatives, oldest)
    data = accepted.encode(original)
    assert_same(accepted.decode(data), original)
    assert accepted.encode(accepted.decode(data)) == data


def test_a_batch_has_the_documented_size() -> None:
    one = batch()
    text = len("\n".join(one.ids).encode())
    one.moved, one.differences = np.array([2, 0], np.int32), np.ones((2, 3), np.float16)
    one.user_keys = np.arange(len(one.factors), dtype=np.uint64)
    one.position = np.arange(len(one), dtype=np.int32)
    moved = 2 * (2 + 2 * 3) + 8 * len(one.factors) + 4 * len(one)
    columns = 8 * 5 + (16 + 4 * 3 + 2 * 2) * 5 + 2 * 2 + 2 * len(one.context) + 4 * 2 * 3
    size = 12 + 72 + columns + text + moved + 4 * len(one)
    assert len(accepted.encode(one)) == size
    for newest, each in ((255, 1), (256, 4)):
        one.age = np.array([0, newest, 0, 1, 2], np.uint32)
        assert len(accepted.encode(one)) == size + each * len(one)


def test_an_id_with_a_line_feed_is_refused() -> None:
    one = batch()
    one.ids[1] = "a\nb"
    with pytest.raises(ValueError, match=r"without line feeds"):
        accepted.encode(one)


@given(data=st.data())
def test_any_damage_is_found(data: st.DataObject) -> None:
    good = accepted.encode(batch())
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    damaged = bytearray(good)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StateError, match=r"skip the record|the release that wrote it"):
        accepted.decode(bytes(damaged))


@given(payload=st.binary(max_size=200))
def test_a_payload_that_makes_no_sense_is_refused(payload: bytes) -> None:
    with pytest.raises(CorruptError, match=r"accepted events: expected .*, got .*; "):
        accepted.decode(seal(accepted.MAGIC, accepted.VERSION, payload))


def _resealed(changes: dict[int, int], tail: bytes = b"", cut: int = 0) -> bytes:
    """Seal the good payload again with u32 fields changed by offset, bytes cut off or added."""
    payload = bytearray(accepted.encode(batch())[12:])
    for offset, value in changes.items():
        payload[offset : offset + 4] = value.to_bytes(4, "little")
    return seal(accepted.MAGIC, accepted.VERSION, bytes(payload[: len(payload) - cut] + tail))


@pytest.mark.parametrize(
    "data",
    [
        _resealed({}, tail=b"\0"),
        _resealed({}, cut=1),
        _resealed({20: 6}),  # events
        _resealed({24: 2**32 - 1}),  # keys
        _resealed({44: 2}),  # named
        _resealed({44: 4}),
        _resealed({44: 0}),
        _resealed({60: 2**32 - 1}),  # gradients
        _resealed({64: 32}),  # flags
        _resealed({64: 24}),
        _resealed({64: 8}),
        _resealed({32: 2**32 - 1, 28: 2**32 - 1}),  # factors, users
    ],
)
def test_counts_that_do_not_add_up_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError, match=r"accepted events: expected .*, got .*; "):
        accepted.decode(data)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("item", 1_000_000),
        ("item", -1),
        ("user", 2),
        ("user", -1),
        ("context", 5),
        ("context", -1),
        ("negatives", 5),
        ("negatives", -2),
        ("coordinate", -1),
        ("context_start", 1),
        ("context_start", -1),
        ("bucket", 2**31),
        ("age", 2**32 - 1),
    ],
)
def test_what_points_nowhere_is_refused(column: str, value: int) -> None:
    one = batch(events=5, users=2, ids=3, unnamed=2, oldest=9)
    one.context, one.context_start = np.array([0, 4], np.int32), np.array([0, 1, 2], np.int32)
    if column == "bucket":
        one.bucket = value
    else:
        getattr(one, column).reshape(-1)[0] = value
    with pytest.raises(CorruptError, match=r"accepted events: expected .*, got .*; "):
        accepted.decode(accepted.encode(one))
