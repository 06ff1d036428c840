"""What workers need of the catalogue (topic `model_updates`): a record of the topic `catalog` each.

The key is `catalog/` and the item's id. The value is the description itself, or one character where
there is none or it is too long: whether the item can be recommended. One that was deleted from the
catalogue is as good as unavailable, until it is described again.
"""

from typing import NamedTuple

from models.catalogue.catalogue import Facts
from state.codec.sealed import SKIP, StateError
from state.topics import catalog

KIND = b"catalog"
"""First part of the key, up to the slash."""
THERE, GONE = b"1", b"0"
MOST_CHARACTERS = 1 << 16
"""Of a description; of a longer one only its availability is told."""


class Described(NamedTuple):
    """What the catalogue says of an item."""

    item: str
    available: bool
    """Whether it can be recommended."""
    facts: Facts


def key_of(item: str) -> bytes:
    """Return the key of an item's record."""
    return KIND + b"/" + item.encode()


def decode(key: bytes, value: bytes) -> Described:
    """Return what is said of an item.

    Raises
    ------
    StateError
        With what was expected.
    """
    try:
        item = key.removeprefix(KIND + b"/").decode()
    except UnicodeDecodeError:
        item = ""
    if item and value.lstrip()[:1] == b"{":
        return Described(item, *catalog.facts(value))
    if not item or value not in (THERE, GONE):
        msg = f"availability: expected an item's id, and 1, 0 or JSON, got {key[:80]!r},"
        raise StateError(f"{msg} {value[:80]!r}; {SKIP}")
    return Described(item, value == THERE, Facts())
