"""What an impression says of where it was shown: a recommendation's id, and a place in its list."""

import re

import msgspec

from state.events.fields import Event
from state.keyed.feedback_counts import Fate

_KEY_DIGITS = 16
_FURTHEST = 10_000
_NAME = re.compile("[0-9a-f]{32}").fullmatch
_PLAIN_NAME = re.compile(b'"([0-9a-f]{16})([0-9a-f]{16})"').fullmatch
_PLAIN_NUMBER = re.compile(b"[1-9][0-9]{0,3}").fullmatch
_read_text = msgspec.json.Decoder(str | None).decode
_read_number = msgspec.json.Decoder(int | None).decode


def reference_of(event: Event, user: int) -> tuple[int, int | None] | Fate:
    """Return key and position of the list that an impression names, or its fate.

    Parameters
    ----------
    user : int
        Key of the user who was shown it.
    """
    name = _PLAIN_NAME(event.rec_id)
    position = _PLAIN_NUMBER(event.position)
    if name is None or position is None:  # as most are not
        return _written_otherwise(event, user)
    if int(name[1], 16) != user:
        return Fate.FOREIGN
    return int(name[2], 16), int(position[0])


def _written_otherwise(event: Event, user: int) -> tuple[int, int | None] | Fate:
    """Return the same of one that lacks something, is wrong or has escapes."""
    try:
        name = _read_text(event.rec_id or b"null")
        position = _read_number(event.position or b"null")
    except msgspec.DecodeError:
        return Fate.UNREADABLE
    if name is None:
        return Fate.WITHOUT_LIST
    if not _NAME(name) or not (position is None or 1 <= position <= _FURTHEST):
        return Fate.UNREADABLE
    if int(name[:_KEY_DIGITS], 16) != user:
        return Fate.FOREIGN
    return int(name[_KEY_DIGITS:], 16), position
