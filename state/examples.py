"""Examples for fine-tune: a micro-batch's events and sums of the scored ones (magic `EX`).

Events are the positive ones, of the rating objective the ratings. Payload, little-endian:

================ ===== ============ ========================================================
field            type  count        holds
================ ===== ============ ========================================================
events           u32   1            n
scored           u32   1            s, events that were ranked by both the blend and online
model            i64   1            version of the deep model that was served, 0 none
loss             f64   20           sums, see `models.weights.blend`
user             u64   n            keys of the users
item             u64   n            keys of the items
time             i64   n            event times, ms
coordinate       i64   n            partition and offset of each event
rank             i32   s            0-based rank in what was served, -1 for an unknown item
online_rank      i32   s            the same without the deep model
value            f32   n            ratings; versions 3 and 5 only
================ ===== ============ ========================================================

Examples without values are written as version 4, those with them as version 5. Versions 2 and 3 had
18 sums, of fewer weights, and version 1 had 8: they are read as nothing.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays.weights import LOSSES
from state.codec.sealed import HEADER, SKIP, corrupt, open_sealed, seal

MAGIC = b"EX"
VERSION = 5
READ_VERSIONS = (1, 2, 3, 4, 5)
_WITHOUT_VALUES = 4
_VALUED = (3, VERSION)
_WHERE = "examples"
_HEADS = {
    version: np.dtype(
        [("events", "<u4"), ("scored", "<u4"), ("model", "<i8"), ("loss", "<f8", (sums,))]
    )
    for version, sums in ((1, 8), (2, 18), (3, 18), (4, LOSSES), (5, LOSSES))
}
_HEAD = _HEADS[VERSION]
_COLUMNS = (("user", "<u8"), ("item", "<u8"), ("time", "<i8"), ("coordinate", "<i8"))
_RANKS = (("rank", "<i4"), ("online_rank", "<i4"))
_VALUES = (("value", "<f4"),)


@dataclass(slots=True)
class Examples:
    """Columns of the module's table."""

    model: int
    loss: NDArray[np.float64]
    user: NDArray[np.uint64]
    item: NDArray[np.uint64]
    time: NDArray[np.int64]
    coordinate: NDArray[np.int64]
    rank: NDArray[np.int32]
    online_rank: NDArray[np.int32]
    value: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    """One an event, or none at all."""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)


def encode(examples: Examples) -> bytes:
    """Return the sealed bytes."""
    head = np.zeros(1, _HEAD)
    head[0] = (len(examples), len(examples.rank), examples.model, examples.loss)
    version = VERSION if len(examples.value) else _WITHOUT_VALUES
    columns = [
        np.ascontiguousarray(getattr(examples, name), kind).tobytes()
        for name, kind in (*_COLUMNS, *_RANKS, *_values_of(version))
    ]
    return seal(MAGIC, version, b"".join([head.tobytes(), *columns]))


def decode(data: bytes) -> Examples:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged or of an unknown version.
    """
    version, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE, SKIP)
    kind = _HEADS[version]
    if len(payload) < kind.itemsize:
        raise corrupt(_WHERE, f"{kind.itemsize} bytes or more", len(payload), SKIP)
    head = np.frombuffer(payload, kind, 1)[0]
    n, scored = int(head["events"]), int(head["scored"])
    valued = _values_of(version)
    size = kind.itemsize + (32 + 4 * len(valued)) * n + 8 * scored
    if size != len(payload):
        raise corrupt(_WHERE, f"{size} bytes by its counts", len(payload), SKIP)
    at, columns = kind.itemsize, {}
    lengths = ((_COLUMNS, n), (_RANKS, scored), (valued, n))
    for (name, code), count in [(column, count) for kinds, count in lengths for column in kinds]:
        columns[name] = _column(payload, code, count, at)
        at += columns[name].nbytes
    same = version >= _WITHOUT_VALUES
    loss = head["loss"].astype(np.float64) if same else np.zeros(LOSSES)
    return Examples(model=int(head["model"]), loss=loss, **columns)


def _column(payload: memoryview, kind: str, count: int, at: int) -> NDArray[Any]:
    return np.frombuffer(payload, kind, count, at).copy()


def _values_of(version: int) -> tuple[tuple[str, str], ...]:
    return _VALUES if version in _VALUED else ()


def size_of(events: int, scored: int) -> int:
    """Return the bytes that `encode` makes of examples without values."""
    return HEADER.size + _HEAD.itemsize + 32 * events + 8 * scored
