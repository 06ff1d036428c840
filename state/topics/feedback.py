"""What became of impressions (topic `feedback`), JSON: one record for each item that was shown.

A record is written once, when its outcome is decided: the user acted on the item within
`feedback.window`, or did not. The key is the recommendation's id, so that a list stays together.

Version 1: the fields below. New ones may be added; none is renamed or removed within a version.
"""

import msgspec

from state.codec import json_codec
from state.codec.sealed import SKIP

VERSION = 1
_USER_CHARACTERS = 16


class Feedback(msgspec.Struct, kw_only=True, gc=False):
    """The outcome of one impression."""

    rec_id: str
    """Recommendation that the item was shown from."""
    item_id: str
    position: int
    """Place in the list as it was shown, from 1."""
    reason: str
    """Why the item was in the list, see `state.topics.recommendation.Item`."""
    model_version: str
    arm: str
    """Arm of the experiment that the user is in; "" without one."""
    propensity: float
    """Probability with which the item came to its place, above 0; 1 without exploration."""
    shown_at: int
    """Event time of the impression, ms since 1970."""
    action: str | None
    """Event type of what the user did with the item; None: nothing."""
    reward: float
    """What the action is worth, see `feedback.rewards`; 0 without one."""
    delay_ms: int | None
    """Event time from impression to action; None without one."""


_encode = msgspec.json.Encoder().encode


def encode(feedback: Feedback) -> tuple[bytes, bytes]:
    """Return key and value of a record."""
    return feedback.rec_id.encode(), _encode(feedback)


def decode(value: bytes | None) -> Feedback:
    """Read a value; StateError where it is none."""
    return json_codec.decode(value, Feedback, "feedback", remedy=SKIP)


def user_of(rec_id: str) -> str:
    """Return what stands for the user in a recommendation's id: 16 hexadecimal digits."""
    return rec_id[:_USER_CHARACTERS]
