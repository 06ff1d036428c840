"""Recommendations of a user (topic `recommendations`, compacted), JSON; the key is the user's id.

Version 1: the fields below. New ones may be added; none is renamed or removed within a version.
"""

import msgspec

from state.codec import json_codec
from state.codec.sealed import SKIP

VERSION = 1


class Item(msgspec.Struct, omit_defaults=True):
    """One recommended item."""

    item_id: str
    score: float
    """Comparable inside one list only."""
    reason: str
    source: str | None = msgspec.field(default=None, name="from")
    """Item of the user's last ones that it follows, where the reason is `transition`, or that it
    shares with others who went on to this one, where it is `neighbours`."""
    propensity: float | None = None
    """Probability with which the item came to its place; None, and left out, where it is 1."""


class Trigger(msgspec.Struct):
    """The event that a recommendation answers."""

    event_id: str
    timestamp: int
    """Event time, ms since 1970."""
    published_at: int
    """When the record arrived in Kafka, ms since 1970."""


class Session(msgspec.Struct):
    """The user's session so far."""

    started_at: int
    events: int


class Recommendation(msgspec.Struct, omit_defaults=True):
    """A user's recommendation, as the topic holds it."""

    rec_id: str
    """Of user and trigger: the same however often it is made."""
    user_id: str
    generated_at: int
    trigger: Trigger
    model_version: str
    session: Session
    items: list[Item]
    """Best first, but for those that were drawn (`explored`)."""
    arm: str = ""
    """Arm of the experiment that the user is in; left out without one."""


_encode = msgspec.json.Encoder().encode


def encode(recommendation: Recommendation) -> tuple[bytes, bytes]:
    """Return key and value of a record."""
    return recommendation.user_id.encode(), _encode(recommendation)


def decode(value: bytes) -> Recommendation:
    """Read a value; StateError where it is none."""
    return json_codec.decode(value, Recommendation, "recommendation", remedy=SKIP)
