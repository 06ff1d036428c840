"""Accepted events of one micro-batch, as bytes: what travels to every worker (magic `AC`).

Payload of version 3, little-endian; columns stand in order of falling width, so that each one is
aligned and can be used where it lies:

================ ===== ============ ========================================================
field            type  count        holds
================ ===== ============ ========================================================
time             i64   1            newest event time, ms
origin           u64   1            job and input topic that these are events of
bucket           u32   1            user bucket
events           u32   1            n
keys             u32   1            D, distinct items
users            u32   1            U
factors          u32   1            F
negatives        u32   1            m
context          u32   1            C
named            u32   1            how many of the keys have an id
text             u32   1            T, bytes of the ids
moved            u32   1            M, rows that were moved
width            u32   1            K, numbers of what is learnt of a row
sequences        u32   1            whether the two columns of sequences are there: 1 or 0
keys             u64   D            item keys
user_keys        u64   U or 0       keys of the users, where their sequences are learnt
coordinate       i64   n            partition and offset of each event
user             i32   n            index of its user
item             i32   n            index of its item
weight           f32   n
value            f32   n            NaN for none
context          i32   C            indices of context items
context_start    i32   U + 1        bounds of each user's context
factors          f32   U * F        user factors before the micro-batch
negatives        i32   n * m        indices of items, -1 for none
gradients        f32   n * (1 + m)
position         i32   n or 0       place of each event in the sequence of its user
moved            i32   M            indices of keys, each once
differences      f16   M * K        what was learnt of them since it was last told
ids              u8    T            UTF-8 ids of the first keys, joined by a line feed
================ ===== ============ ========================================================

A value takes 12 + 64 + 8 D + (24 + 4 m + 4 (1 + m)) n + 4 C + 4 (U + 1) + 4 U F + (4 + 2 K) M + T
bytes, and 8 U + 4 n with sequences. Version 2 had no rows that were moved, and version 1 no origin.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import OFFSET_BITS, AcceptedBatch
from models.parts import halves
from state.codec import HEADER, SKIP, corrupt, open_sealed, seal

MAGIC = b"AC"
VERSION = 3
READ_VERSIONS = (1, 2, 3)

_COUNTS = (
    "bucket",
    "events",
    "keys",
    "users",
    "factors",
    "negatives",
    "context",
    "named",
    "text",
    "moved",
)
"""Until version 3, the last was a zero."""
_HEADS = {
    1: np.dtype([("time", "<i8")] + [(name, "<u4") for name in _COUNTS]),
    2: np.dtype([("time", "<i8"), ("origin", "<u8")] + [(name, "<u4") for name in _COUNTS]),
}
_HEADS[3] = np.dtype([*_HEADS[2].descr, ("width", "<u4"), ("sequences", "<u4")])
_HEAD = _HEADS[VERSION]
_MOST_BUCKETS, _MOST_PARTITIONS, _MOST_POSITIONS = 1 << 15, 1 << 15, 1 << 31
"""More than there can be: what is beyond would ask for memory that nobody has."""
_TYPES = {
    "keys": "<u8",
    "user_keys": "<u8",
    "coordinate": "<i8",
    "user": "<i4",
    "item": "<i4",
    "weight": "<f4",
    "value": "<f4",
    "context": "<i4",
    "context_start": "<i4",
    "factors": "<f4",
    "negatives": "<i4",
    "gradients": "<f4",
    "position": "<i4",
    "moved": "<i4",
    "differences": "<f2",
}
_WHERE = "accepted events"


def encode_within(batch: AcceptedBatch, limit: int, window: int) -> list[bytes]:
    """Return the sealed bytes of a batch in as many messages as a limit asks for.

    Parameters
    ----------
    limit : int
        Most bytes of a message; one event always fits (`conf.rules`).
    window : int
        See `models.parts.halves`.
    """
    if size_of(batch) <= limit or len(batch) == 1:
        return [encode(batch)]
    first, second = halves(batch, window)
    return encode_within(first, limit, window) + encode_within(second, limit, window)


def size_of(batch: AcceptedBatch) -> int:
    """Return the bytes that `encode` will make of a batch."""
    columns = sum(
        np.size(getattr(batch, name)) * np.dtype(kind).itemsize for name, kind in _TYPES.items()
    )
    text = len("\n".join(batch.ids).encode())
    return HEADER.size + _HEAD.itemsize + columns + text


def encode(batch: AcceptedBatch) -> bytes:
    """Return the sealed bytes of a batch.

    Raises
    ------
    ValueError
        If an id contains a line feed.
    """
    text = "\n".join(batch.ids).encode()
    if text.count(b"\n") != max(len(batch.ids) - 1, 0):
        raise ValueError(f"{_WHERE}: expected ids without line feeds, got one; refuse such ids")
    columns = [np.ascontiguousarray(getattr(batch, name), kind) for name, kind in _TYPES.items()]
    head = np.zeros(1, _HEAD)
    head[0] = (
        batch.time,
        batch.origin,
        batch.bucket,
        len(batch.user),
        len(batch.keys),
        batch.factors.shape[0],
        batch.factors.shape[1],
        batch.negatives.shape[1],
        len(batch.context),
        len(batch.ids),
        len(text),
        len(batch.moved),
        batch.differences.shape[1],
        len(batch.user_keys) > 0,
    )
    return seal(MAGIC, VERSION, b"".join([head.tobytes(), *(c.tobytes() for c in columns), text]))


def decode(data: bytes) -> AcceptedBatch:
    """Return the batch in sealed bytes; its arrays are writable and the caller's own.

    Raises
    ------
    StateError
        If the bytes are damaged, of an unknown version, or speak of things that are not in them.
    """
    version, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE, SKIP)
    layout = _HEADS[version]
    buffer = bytearray(payload)
    if len(buffer) < layout.itemsize:
        raise corrupt(_WHERE, f"{layout.itemsize} bytes or more", len(buffer), SKIP)
    head = np.frombuffer(buffer, layout, 1)
    origin = int(head["origin"][0]) if version > 1 else 0
    counts = [int(head[name][0]) for name in ("time", *_COUNTS)]
    time, bucket, n, keys, users, factors, m, context, named, text, moved = counts
    width = sequences = 0
    if version > 2:
        width, sequences = int(head["width"][0]), int(head["sequences"][0])
    else:
        moved = 0
    if sequences > 1:
        raise corrupt(_WHERE, "sequences or none", sequences, SKIP)
    shapes: dict[str, tuple[int, ...]] = {
        "keys": (keys,),
        "user_keys": (users * sequences,),
        "coordinate": (n,),
        "user": (n,),
        "item": (n,),
        "weight": (n,),
        "value": (n,),
        "context": (context,),
        "context_start": (users + 1,),
        "factors": (users, factors),
        "negatives": (n, m),
        "gradients": (n, 1 + m),
        "position": (n * sequences,),
        "moved": (moved,),
        "differences": (moved, width),
    }
    columns, at = _columns(buffer, layout.itemsize, shapes, text)
    batch = AcceptedBatch(
        origin=origin,
        bucket=bucket,
        time=time,
        ids=_ids(bytes(buffer[at:]), named, keys),
        **columns,
    )
    _check(batch)
    return batch


def _check(batch: AcceptedBatch) -> None:
    """Refuse indices that point nowhere: compiled loops do not look where they step."""
    users, keys = len(batch.factors), len(batch.keys)
    starts = batch.context_start
    if (
        starts[0] != 0
        or starts[-1] != len(batch.context)
        or (np.diff(starts) < 0).any()
        or batch.bucket >= _MOST_BUCKETS
    ):
        raise corrupt(_WHERE, "bounds of contexts in order", "others", SKIP)
    for name, least, most in (
        ("user", 0, users),
        ("item", 0, len(batch.ids)),
        ("context", 0, keys),
        ("negatives", -1, keys),
        ("moved", 0, keys),
        ("position", 0, _MOST_POSITIONS),
        ("coordinate", 0, _MOST_PARTITIONS << OFFSET_BITS),
    ):
        column = getattr(batch, name)
        if column.size and not (least <= int(column.min()) and int(column.max()) < most):
            raise corrupt(_WHERE, f"{name} from {least} to below {most}", "one outside", SKIP)
    once = len(np.unique(batch.moved)) == len(batch.moved)
    if not once or not np.isfinite(batch.differences).all():
        raise corrupt(_WHERE, "finite differences, one a row", "others", SKIP)


def _columns(
    buffer: bytearray, at: int, shapes: dict[str, tuple[int, ...]], text: int
) -> tuple[dict[str, NDArray[Any]], int]:
    """Return the columns behind the head and where the text begins."""
    kinds = {name: np.dtype(kind) for name, kind in _TYPES.items()}
    sizes = {name: _count(shapes[name]) * kinds[name].itemsize for name in shapes}
    total = at + sum(sizes.values()) + text
    if total != len(buffer):
        raise corrupt(_WHERE, f"{total} bytes by its counts", len(buffer), SKIP)
    columns: dict[str, NDArray[Any]] = {}
    for name, shape in shapes.items():
        column = np.frombuffer(buffer, kinds[name], _count(shape), at)
        columns[name] = column.reshape(shape)
        at += sizes[name]
    return columns, at


def _count(shape: tuple[int, ...]) -> int:
    """Return the number of elements, as a Python number that cannot overflow."""
    count = 1
    for length in shape:
        count *= length
    return count


def _ids(text: bytes, named: int, keys: int) -> list[str]:
    """Return the ids, which must be as many as the head says and no more than the keys."""
    try:
        ids = text.decode().split("\n") if named else []
    except UnicodeDecodeError as error:
        raise corrupt(_WHERE, "ids in UTF-8", f"another byte at {error.start}", SKIP) from None
    if len(ids) != named or named > keys or (text and not named):
        raise corrupt(_WHERE, f"{named} ids of {keys} keys", len(ids), SKIP)
    return ids
