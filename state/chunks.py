"""Item rows as an Arrow IPC stream: what the topic of model updates holds, for any language.

The schema's metadata names the layout; version 1 has the columns

================= ======================= =============================================
column            type                    holds
================= ======================= =============================================
id                string                  item id, "" for an item known only by its key
key               uint64                  xxHash3 of the id
count             int64                   accepted positive events
last_time         int64                   newest event time, ms
value_sum         double                  sum of the ratings learnt
factors           fixed_size_list<float>  latent factors
gradient_sum      float                   AdaGrad sum of the factors
bias              float
bias_gradient_sum float                   AdaGrad sum of the bias
successors        list<uint64>            keys of the items that followed
weights           list<float>             how much they followed
================= ======================= =============================================

Rows are absolute values: to read one twice is harmless. Kafka checksums its records, so a chunk
carries no CRC of its own.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.columns import ItemRows
from state import bounds
from state.codec import SKIP, UnknownVersionError, corrupt

VERSION = 1
READ_VERSIONS = (1,)

_VERSION_KEY = b"streamrec.items"
_WHERE = "chunk of item rows"
_SCALARS = (
    ("count", pa.int64()),
    ("last_time", pa.int64()),
    ("value_sum", pa.float64()),
    ("gradient_sum", pa.float32()),
    ("bias", pa.float32()),
    ("bias_gradient_sum", pa.float32()),
)


def encode_within(rows: ItemRows, limit: int) -> list[bytes]:
    """Return the rows, in their order, as streams that are no larger than a limit each.

    Parameters
    ----------
    limit : int
        Most bytes of a stream; one item always fits (`conf.rules`).
    """
    factors = rows.factors.shape[1]
    ids = [len(identifier.encode()) for identifier in rows.ids]
    sizes = [
        bounds.item_row(successors, factors, length)
        for successors, length in zip(np.diff(rows.successor_start).tolist(), ids, strict=True)
    ]
    edges, held, room = [0], 0, limit - bounds.chunk(0, 0, factors, 0)
    for at, row_size in enumerate(sizes):
        if held + row_size > room and at > edges[-1]:
            edges.append(at)
            held = 0
        held += row_size
    return [encode(rows.take(begin, end)) for begin, end in pairwise([*edges, len(rows)])]


def encode(rows: ItemRows) -> bytes:
    """Return an Arrow IPC stream with one record batch."""
    schema = _schema(rows.factors.shape[1])
    start = pa.array(rows.successor_start, pa.int32())
    columns = {
        "id": pa.array(rows.ids, pa.string()),
        "key": pa.array(rows.keys, pa.uint64()),
        "factors": pa.FixedSizeListArray.from_arrays(
            pa.array(np.ascontiguousarray(rows.factors).reshape(-1), pa.float32()),
            type=schema.field("factors").type,
        ),
        "successors": pa.ListArray.from_arrays(start, pa.array(rows.successors, pa.uint64())),
        "weights": pa.ListArray.from_arrays(start, pa.array(rows.weights, pa.float32())),
        **{name: pa.array(getattr(rows, name), kind) for name, kind in _SCALARS},
    }
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(
            pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
        )
    return bytes(sink.getvalue())


def decode(data: bytes) -> ItemRows:
    """Return the rows of a chunk; the arrays are writable and the caller's own.

    Raises
    ------
    StateError
        If the bytes are no Arrow stream, or one of another layout.
    """
    try:
        with pa.ipc.open_stream(data) as reader:
            schema = reader.schema
            _check(schema)
            batch = reader.read_next_batch()
            batch.validate(full=True)
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise corrupt(_WHERE, "an Arrow IPC stream", type(error).__name__, SKIP) from error
    return _rows(batch)


def _schema(factors: int) -> pa.Schema:
    """Return the layout of version 1."""
    kinds = {
        "id": pa.string(),
        "key": pa.uint64(),
        "count": pa.int64(),
        "last_time": pa.int64(),
        "value_sum": pa.float64(),
        "factors": pa.list_(pa.float32(), factors),
        "gradient_sum": pa.float32(),
        "bias": pa.float32(),
        "bias_gradient_sum": pa.float32(),
        "successors": pa.list_(pa.uint64()),
        "weights": pa.list_(pa.float32()),
    }
    fields = [pa.field(name, kind) for name, kind in kinds.items()]
    return pa.schema(fields, metadata={_VERSION_KEY: str(VERSION).encode()})


def _check(schema: pa.Schema) -> None:
    """Refuse a stream of another layout."""
    version = (schema.metadata or {}).get(_VERSION_KEY, b"none")
    if version not in [str(v).encode() for v in READ_VERSIONS]:
        raise UnknownVersionError(
            f"{_WHERE}: expected layout version {' or '.join(map(str, READ_VERSIONS))}, got "
            f"{version.decode(errors='replace')}; run the release that wrote the topic, or a newer"
        )
    kind = schema.field("factors").type if "factors" in schema.names else None
    size = kind.list_size if isinstance(kind, pa.FixedSizeListType) else 0
    if not schema.equals(_schema(size)):
        raise corrupt(_WHERE, "the columns of version 1", ", ".join(schema.names), SKIP)


def _rows(batch: pa.RecordBatch) -> ItemRows:
    """Return the columns of a record batch as arrays."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            raise corrupt(_WHERE, f"no nulls in {name}", column.null_count, SKIP)

    def array(column: pa.Array) -> NDArray[Any]:
        return np.array(column.to_numpy(zero_copy_only=False))

    factors = batch.column("factors")
    successors, weights = batch.column("successors"), batch.column("weights")
    start = array(successors.offsets).astype(np.int32)
    if not np.array_equal(start, array(weights.offsets)) or (len(start) and start[0]):
        raise corrupt(_WHERE, "one weight a successor", "other list lengths", SKIP)
    return ItemRows(
        keys=array(batch.column("key")),
        ids=batch.column("id").to_pylist(),
        factors=array(factors.flatten()).reshape(len(factors), factors.type.list_size),
        successor_start=start,
        successors=array(successors.values),
        weights=array(weights.values),
        **{name: array(batch.column(name)) for name, _ in _SCALARS},
    )
