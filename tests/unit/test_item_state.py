"""Stored items and published chunks: the rows come back as they were."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns.items import ItemRows
from models.keys import key_of
from state.codec.sealed import (
    CorruptError,
    IncompatibleError,
    StateError,
    UnknownVersionError,
    seal,
)
from state.keyed.item_state import MAGIC, VERSION, ItemState
from state.topics import chunks

FACTORS = 3
STATE = ItemState(FACTORS, context_seed=3, variances=FACTORS + 1)


def items(ids: list[str], successors: list[int], seed: int = 0) -> ItemRows:
    """Rows with the given ids and numbers of successors; random otherwise."""
    random = np.random.default_rng(seed)
    m, total = len(ids), sum(successors)
    return ItemRows(
        keys=np.array([key_of(one) for one in ids], np.uint64),
        ids=ids,
        count=random.integers(0, 2**40, m),
        last_time=random.integers(0, 2**40, m),
        value_sum=random.normal(size=m),
        popularity=random.random(m, np.float32).astype(np.float64),
        factors=random.normal(size=(m, FACTORS)).astype(np.float32),
        gradient_sum=random.random(m, np.float32),
        bias=random.random(m, np.float32),
        bias_gradient_sum=random.random(m, np.float32),
        place_start=np.cumsum([0, *successors[::-1]]).astype(np.int32),
        place_keys=random.integers(0, 2**64, total, np.uint64),
        place_positions=random.integers(0, 2**31, total).astype(np.int32),
        context=random.normal(size=(m, FACTORS)).astype(np.float32),
        context_gradient_sum=random.random(m, np.float32),
        variance=random.random((m, FACTORS + 1), np.float32) + np.float32(1),
        successor_start=np.cumsum([0, *successors]).astype(np.int64),
        successors=random.integers(0, 2**64, total, np.uint64),
        weights=random.random(total, np.float32),
    )


def assert_same(found: ItemRows, expected: ItemRows) -> None:
    for field in fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, list):
            assert a == b
        else:
            assert (a.dtype, a.shape) == (b.dtype, b.shape), field.name
            assert np.array_equal(a, b), field.name
            assert a.flags.carray, field.name  # writable, aligned and C-contiguous


ROWS = st.lists(st.tuples(st.text(max_size=9), st.integers(0, 5)), max_size=6).map(
    lambda pairs: items([one for one, _ in pairs], [count for _, count in pairs])
)


@given(rows=ROWS)
def test_stored_items_come_back(rows: ItemRows) -> None:
    values = STATE.encode(rows)
    assert len(values) == len(rows)
    assert_same(STATE.decode(values), rows)
    assert STATE.encode(STATE.decode(values)) == values


@given(rows=ROWS)
def test_a_chunk_comes_back(rows: ItemRows) -> None:
    assert_same(chunks.decode(chunks.encode(rows)), rows)


def test_stored_items_come_back_in_any_order() -> None:
    values = STATE.encode(items(["a", "bb", ""], [2, 0, 3]))
    rows = STATE.decode(values[::-1])
    assert rows.ids == ["", "bb", "a"]
    assert rows.successor_start.tolist() == [0, 3, 3, 5]
    assert STATE.encode(rows) == values[::-1]


def test_a_value_has_the_documented_size() -> None:
    (value,) = STATE.encode(items(["item-1"], [7]))
    size = 92 + 8 * FACTORS + 4 * (FACTORS + 1) + 12 * (7 + 7) + len("item-1")
    assert len(value) == size


def test_items_with_another_number_of_factors_are_refused() -> None:
    values = STATE.encode(items(["a", "b"], [1, 1]))
    with pytest.raises(
        IncompatibleError, match=r"expected 5 factors, got 3; set the model's factors"
    ):
        ItemState(5).decode(values)


@given(payload=st.binary(max_size=150))
def test_a_stored_item_that_makes_no_sense_is_refused(payload: bytes) -> None:
    with pytest.raises((CorruptError, IncompatibleError)):
        STATE.decode([seal(MAGIC, VERSION, payload)])


def test_any_arrow_reader_reads_a_chunk() -> None:
    rows = items(["a", "b"], [2, 1])
    table = pa.ipc.open_stream(chunks.encode(rows)).read_all()
    assert table.column("id").to_pylist() == ["a", "b"]
    assert table.column("successors").to_pylist()[1] == rows.successors[2:].tolist()
    assert table.schema.metadata[b"streamrec.items"] == b"4"


def _with_metadata(data: bytes, metadata: dict[bytes, bytes]) -> bytes:
    table = pa.ipc.open_stream(data).read_all().replace_schema_metadata(metadata)
    return _stream(table)


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _without(data: bytes, column: str) -> bytes:
    return _stream(pa.ipc.open_stream(data).read_all().drop_columns([column]))


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda _: b"", CorruptError),
        (lambda data: data[:100], CorruptError),
        (lambda data: data[: len(data) // 2], CorruptError),
        (lambda _: b"{}", CorruptError),
        (lambda _: bytes(200), CorruptError),
        (lambda data: _without(data, "bias"), CorruptError),
        (lambda data: _with_metadata(data, {}), UnknownVersionError),
        (lambda data: _with_metadata(data, {b"streamrec.items": b"5"}), UnknownVersionError),
        (lambda data: _with_metadata(data, {b"streamrec.items": b"4"}), CorruptError),
    ],
)
def test_what_is_no_chunk_is_refused(
    damage: Callable[[bytes], bytes], error: type[StateError]
) -> None:
    with pytest.raises(error, match=r"chunk of item rows: expected .*, got .*; "):
        chunks.decode(damage(chunks.encode(items(["a", "b"], [2, 1]))))


@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_as_a_chunk(data: bytes) -> None:
    with pytest.raises(StateError):
        chunks.decode(data)
