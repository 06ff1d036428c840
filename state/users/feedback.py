"""What is kept of a user for feedback: lists, impressions that wait for an outcome, actions.

One sealed value a user (magic `FB`, version 1): MessagePack, arrays in the order of the fields
below. New fields are appended, and have a default.
"""

from struct import Struct

import msgspec

from state.codec.msgpack_codec import open_value
from state.codec.sealed import seal

MAGIC = b"FB"
VERSION = 1
READ_VERSIONS = (1,)


class Served(msgspec.Struct, array_like=True, gc=False):
    """A list that the user was recommended."""

    key: int
    """Of the event that triggered it: the second half of its `rec_id`."""
    model: str
    arm: str
    items: list[int]
    """Keys of the items, best first."""
    reasons: list[int]
    """Why each is there, see `models.columns.lists`."""
    propensities: list[float]
    """Of each; [] where all are 1."""
    shown: list[int]
    """Places of the list whose impressions have come, from 0."""


class Pending(msgspec.Struct, array_like=True, gc=False):
    """An impression that waits for its outcome."""

    key: int
    """As of `Served`."""
    item: int
    item_id: str
    position: int
    reason: int
    model: str
    arm: str
    propensity: float
    shown_at: int
    """Event time, ms."""
    received_at: int
    """Processing time, ms."""
    partition: int
    """Of the input, that it came from."""
    action: str | None = None
    """The best action so far."""
    reward: float = 0.0
    value: float = 0.0
    delay_ms: int | None = None
    elsewhere: bool = False
    """Whether the user acted on the item, and another impression has the action."""


class Action(msgspec.Struct, array_like=True, gc=False):
    """What a user did; an impression of the time before may still come."""

    item: int
    kind: str
    time: int
    """Event time, ms."""
    reward: float
    value: float
    counted: bool
    """Whether an impression has it."""


class Ignored(msgspec.Struct, array_like=True, gc=False):
    """An item that the user was shown and did nothing with."""

    item: int
    count: float
    """How often, halved every half-life."""
    time: int
    """Event time that `count` is of, ms."""


class UserFeedback(msgspec.Struct, array_like=True, gc=False):
    """All that is kept of a user."""

    served: list[bytes] = []
    """Encoded `Served`, oldest first: most of them are never looked at."""
    pending: list[msgspec.Raw] = []
    """Encoded `Pending`, in the order they came: they are looked at once more, when decided."""
    actions: list[Action] = []
    ignored: list[Ignored] = []
    """Oldest first."""


_encode = msgspec.msgpack.Encoder().encode
_read_served = msgspec.msgpack.Decoder(Served).decode
_read_pending = msgspec.msgpack.Decoder(Pending).decode
_read_all = msgspec.msgpack.Decoder(list[Pending]).decode
_ARRAY = Struct(">BI")
"""Head of an array in MessagePack: 0xdd and its length."""


def encode(feedback: UserFeedback) -> bytes:
    """Return the value kept in state."""
    return seal(MAGIC, VERSION, _encode(feedback))


def decode(value: bytes | None) -> UserFeedback:
    """Read what `encode` wrote; None is a user of whom nothing is kept.

    Raises
    ------
    StateError
        If the value is damaged or of an unknown version.
    """
    if value is None:
        return UserFeedback([], [], [], [])
    return open_value(value, MAGIC, READ_VERSIONS, UserFeedback, "feedback of a user")


def encode_served(served: Served) -> bytes:
    """Return a list as `UserFeedback` holds it."""
    return _encode(served)


def decode_served(value: bytes) -> Served:
    """Read what `encode_served` wrote."""
    return _read_served(value)


def encode_pending(pending: Pending) -> msgspec.Raw:
    """Return an impression as `UserFeedback` holds it."""
    return msgspec.Raw(_encode(pending))


def decode_pending(value: msgspec.Raw) -> Pending:
    """Read what `encode_pending` wrote."""
    return _read_pending(value)


def decode_all(values: list[msgspec.Raw]) -> list[Pending]:
    """Read them all at once."""
    return _read_all(b"".join((_ARRAY.pack(0xDD, len(values)), *values)))


def key_bytes(key: int) -> bytes:
    """Return how the key of a list or an item is written."""
    return _encode(key)


def has_key(value: bytes, key: bytes) -> bool:
    """Return whether an encoded list has a key, without reading it: that is its first field."""
    return value.startswith(key, 1)


def may_be_of(pending: list[msgspec.Raw], item: bytes) -> bool:
    """Return whether any impression may be of an item, by how its key is written: none is read."""
    return item in b"".join(pending)
