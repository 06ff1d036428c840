"""Item rows as an Arrow IPC stream: what the topic of model updates holds, for any language.

The schema's metadata names the layout; version 4 has the columns

================= ======================= =============================================
column            type                    holds
================= ======================= =============================================
id                string                  item id, "" for an item known only by its key
key               uint64                  xxHash3 of the id
count             int64                   accepted positive events
last_time         int64                   newest event time, ms
value_sum         double                  sum of the ratings learnt
popularity        float                   events halved every half-life, as of last_time
factors           fixed_size_list<float>  latent factors
gradient_sum      float                   AdaGrad sum of the factors
bias              float
bias_gradient_sum float                   AdaGrad sum of the bias
context           fixed_size_list<float>  latent factors where the item is context; none: size 0
context_gradient… float                   AdaGrad sum of these: `context_gradient_sum`
variance          fixed_size_list<float>  variances of factors and, last, of the bias; none: size 0
successors        list<uint64>            keys of the items that followed
weights           list<float>             how much they followed
place_keys        list<uint64>            keys of users in whose sequences it occurred, oldest first
place_positions   list<int32>             where in them
================= ======================= =============================================

and, in the metadata, whose rows these are (`streamrec.origin`), how many items there are in all
item buckets of that kind (`streamrec.total`) and which events the rows contain
(`streamrec.marks`, `state.topics.marks`). Version 3 had no variances. Version 2 had no places and
no factors as context; version 1 had no popularity and none of the metadata.

Rows are absolute values: to read one twice is harmless. Kafka checksums its records, so a chunk
carries no CRC of its own.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.columns.items import ItemRows
from state import record_sizes
from state.codec.sealed import SKIP, StateError, UnknownVersionError, corrupt
from state.topics import marks

VERSION = 4
READ_VERSIONS = (1, 2, 3, 4)

_VERSION_KEY = b"streamrec.items"
_ORIGIN_KEY = b"streamrec.origin"
_TOTAL_KEY = b"streamrec.total"
_MARKS_KEY = b"streamrec.marks"
_WHERE = "chunk of item rows"
_SCALARS = (
    ("count", pa.int64()),
    ("last_time", pa.int64()),
    ("value_sum", pa.float64()),
    ("popularity", pa.float32()),
    ("gradient_sum", pa.float32()),
    ("bias", pa.float32()),
    ("bias_gradient_sum", pa.float32()),
    ("context_gradient_sum", pa.float32()),
)


@dataclass(frozen=True)
class About:
    """Metadata of a chunk."""

    origin: int = 0
    """See `models.keys.origin_of`; 0 where that is not said."""
    total: int = 0
    """Items of the bucket that the chunk is of."""
    marks: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))
    """See `models.index.marks`."""

    @cached_property
    def packed(self) -> bytes:
        """The marks as they are stored: made once for all chunks that say the same."""
        return b64encode(marks.encode(self.marks))


def encode_within(rows: ItemRows, limit: int, about: About | None = None) -> list[bytes]:
    """Return the rows, in their order, as streams that are no larger than a limit each.

    Parameters
    ----------
    limit : int
        Most bytes of a stream; one item always fits (`conf.rules`).
    about : About, optional
    """
    about = About() if about is None else about
    factors = rows.factors.shape[1] + rows.context.shape[1] + rows.variance.shape[1]
    ids = [len(identifier.encode()) for identifier in rows.ids]
    followed = np.diff(rows.successor_start) + np.diff(rows.place_start)
    sizes = [
        record_sizes.item_row(entries, factors, length)
        for entries, length in zip(followed.tolist(), ids, strict=True)
    ]
    edges, held, room = [0], 0, limit - record_sizes.chunk(0, 0, factors, 0) - len(about.packed)
    for at, row_size in enumerate(sizes):
        if held + row_size > room and at > edges[-1]:
            edges.append(at)
            held = 0
        held += row_size
    return [encode(rows.take(begin, end), about) for begin, end in pairwise([*edges, len(rows)])]


def encode(rows: ItemRows, about: About | None = None) -> bytes:
    """Return an Arrow IPC stream with one record batch."""
    about = About() if about is None else about
    widths = (rows.factors.shape[1], rows.context.shape[1], rows.variance.shape[1])
    schema = _schema(*widths).with_metadata(
        {
            _VERSION_KEY: str(VERSION),
            _ORIGIN_KEY: str(about.origin),
            _TOTAL_KEY: str(about.total),
            _MARKS_KEY: about.packed,
        }
    )
    start = pa.array(rows.successor_start, pa.int32())
    places = pa.array(rows.place_start, pa.int32())
    columns = {
        "id": pa.array(rows.ids, pa.string()),
        "key": pa.array(rows.keys, pa.uint64()),
        "factors": _lists(rows.factors),
        "context": _lists(rows.context),
        "variance": _lists(rows.variance),
        "successors": pa.ListArray.from_arrays(start, pa.array(rows.successors, pa.uint64())),
        "weights": pa.ListArray.from_arrays(start, pa.array(rows.weights, pa.float32())),
        "place_keys": pa.ListArray.from_arrays(places, pa.array(rows.place_keys, pa.uint64())),
        "place_positions": pa.ListArray.from_arrays(
            places, pa.array(rows.place_positions, pa.int32())
        ),
        **{
            name: pa.array(getattr(rows, name).astype(kind.to_pandas_dtype()), kind)
            for name, kind in _SCALARS
        },
    }
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(
            pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
        )
    return bytes(sink.getvalue())


def _lists(rows: NDArray[np.float32]) -> pa.Array:
    """Return the rows of a matrix as an Arrow column; Arrow's own way fails on rows of nothing."""
    kind = pa.list_(pa.float32(), rows.shape[1])
    if not rows.shape[1]:
        return pa.array([[]] * len(rows), kind)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(rows).reshape(-1), pa.float32()), type=kind
    )


def decode(data: bytes) -> ItemRows:
    """Return the rows of a chunk alone, see `decode_all`."""
    return decode_all(data)[0]


def decode_all(data: bytes) -> tuple[ItemRows, About]:
    """Return the rows of a chunk and what it says of them; the arrays are the caller's own.

    Raises
    ------
    StateError
        If the bytes are no Arrow stream, one of another layout, or of rows that cannot be.
    """
    try:
        with pa.ipc.open_stream(data) as reader:
            schema = reader.schema
            version = _check(schema)
            batch = reader.read_next_batch()
            batch.validate(full=True)
        rows = _rows(batch)
    except StateError:
        raise
    except (pa.ArrowException, OSError, StopIteration, ValueError, LookupError) as error:
        raise corrupt(_WHERE, "an Arrow IPC stream", type(error).__name__, SKIP) from error
    _check_rows(rows)
    return rows, _about(schema.metadata) if version > 1 else About()


def _about(metadata: Mapping[bytes, bytes]) -> About:
    try:
        return About(
            int(metadata[_ORIGIN_KEY]),
            int(metadata[_TOTAL_KEY]),
            marks.decode(b64decode(metadata[_MARKS_KEY])),
        )
    except (KeyError, ValueError) as error:  # a StateError is a ValueError
        raise corrupt(_WHERE, "origin, total and marks", str(error)[:80], SKIP) from None


def _check_rows(rows: ItemRows) -> None:
    """Refuse numbers that no event leads to: they would stay for good."""
    numbers = (rows.value_sum, rows.popularity, rows.factors, rows.gradient_sum, rows.bias)
    more = (rows.bias_gradient_sum, rows.context, rows.context_gradient_sum, rows.variance)
    sound = all(np.isfinite(column).all() for column in (*numbers, *more))
    positive = (rows.weights >= 0).all() and (rows.variance > 0).all()
    if not sound or (rows.count < 0).any() or not positive:
        raise corrupt(_WHERE, "finite numbers and counts from 0", "others", SKIP)


def _schema(factors: int, context: int, variances: int, version: int = VERSION) -> pa.Schema:
    """Return the columns of a layout."""
    kinds = {
        "id": pa.string(),
        "key": pa.uint64(),
        "count": pa.int64(),
        "last_time": pa.int64(),
        "value_sum": pa.float64(),
        "popularity": pa.float32(),
        "factors": pa.list_(pa.float32(), factors),
        "gradient_sum": pa.float32(),
        "bias": pa.float32(),
        "bias_gradient_sum": pa.float32(),
        "context": pa.list_(pa.float32(), context),
        "context_gradient_sum": pa.float32(),
        "variance": pa.list_(pa.float32(), variances),
        "successors": pa.list_(pa.uint64()),
        "weights": pa.list_(pa.float32()),
        "place_keys": pa.list_(pa.uint64()),
        "place_positions": pa.list_(pa.int32()),
    }
    if version < 4:
        del kinds["variance"]
    if version < 3:
        for name in ("context", "context_gradient_sum", "place_keys", "place_positions"):
            del kinds[name]
    if version == 1:
        del kinds["popularity"]
    return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])


def _check(schema: pa.Schema) -> int:
    """Return the version of a stream's layout; refuse another layout."""
    version = (schema.metadata or {}).get(_VERSION_KEY, b"none")
    if version not in [str(v).encode() for v in READ_VERSIONS]:
        raise UnknownVersionError(
            f"{_WHERE}: expected layout version {' or '.join(map(str, READ_VERSIONS))}, got "
            f"{version.decode(errors='replace')}; run the release that wrote the topic, or a newer"
        )
    factors, context, variances = (
        _size(schema, name) for name in ("factors", "context", "variance")
    )
    if not schema.equals(_schema(factors, context, variances, int(version))):
        told = f"the columns of version {int(version)}"
        raise corrupt(_WHERE, told, ", ".join(schema.names), SKIP)
    return int(version)


def _size(schema: pa.Schema, name: str) -> int:
    """Return the length of the lists of a column, 0 where it has none."""
    kind = schema.field(name).type if name in schema.names else None
    return kind.list_size if isinstance(kind, pa.FixedSizeListType) else 0


def _rows(batch: pa.RecordBatch) -> ItemRows:
    """Return the columns of a record batch as arrays."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            raise corrupt(_WHERE, f"no nulls in {name}", column.null_count, SKIP)
    start, successors, weights = _ragged(batch, "successors", "weights")
    place_start, place_keys, positions = _ragged(batch, "place_keys", "place_positions")
    return ItemRows(
        keys=_array(batch.column("key")),
        ids=batch.column("id").to_pylist(),
        factors=_matrix(batch, "factors"),
        context=_matrix(batch, "context"),
        variance=_matrix(batch, "variance"),
        successor_start=start.astype(np.int64),
        successors=successors,
        weights=weights,
        place_start=place_start,
        place_keys=place_keys,
        place_positions=positions,
        **{name: _single(batch, name).astype(_type_of(name, kind)) for name, kind in _SCALARS},
    )


def _type_of(name: str, kind: pa.DataType) -> Any:
    """Return the type of a column of rows; popularity is rounded in a chunk."""
    return np.float64 if name == "popularity" else kind.to_pandas_dtype()


def _array(column: pa.Array) -> NDArray[Any]:
    return np.array(column.to_numpy(zero_copy_only=False))


def _single(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """Return a column of numbers; an older version's rows stand for what it did not know."""
    if name in batch.schema.names:
        return _array(batch.column(name))
    return _array(batch.column("count")) if name == "popularity" else np.zeros(len(batch))


def _matrix(batch: pa.RecordBatch, name: str) -> NDArray[np.float32]:
    """Return a column of lists of one length, (m, 0) where there is none."""
    size = _size(batch.schema, name)
    if not size:
        return np.empty((len(batch), 0), np.float32)
    return _array(batch.column(name).flatten()).reshape(len(batch), size)


def _ragged(
    batch: pa.RecordBatch, first: str, second: str
) -> tuple[NDArray[np.int32], NDArray[Any], NDArray[Any]]:
    """Return the bounds that two columns of lists have in common, and what lies in each."""
    if first not in batch.schema.names:
        nothing = np.empty(0, np.uint64), np.empty(0, np.int32)
        return np.zeros(len(batch) + 1, np.int32), *nothing
    columns = batch.column(first), batch.column(second)
    start, other = (_array(column.offsets).astype(np.int32) for column in columns)
    if not np.array_equal(start, other) or (len(start) and start[0]):
        told = f"as many {second} as {first}"
        raise corrupt(_WHERE, told, "other list lengths", SKIP)
    return start, _array(columns[0].values), _array(columns[1].values)
