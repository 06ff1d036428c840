"""Whether items can be recommended (topic `model_updates`): all that workers need of the catalogue.

The key is `catalog/` and the item's id, the value one character. An item that was deleted from the
catalogue is as good as unavailable, until it is described again.
"""

from state.codec.sealed import SKIP, StateError

KIND = b"catalog"
"""First part of the key, up to the slash."""
THERE, GONE = b"1", b"0"


def key_of(item: str) -> bytes:
    """Return the key of an item's record."""
    return KIND + b"/" + item.encode()


def decode(key: bytes, value: bytes) -> tuple[str, bool]:
    """Return an item's id, and whether it can be recommended.

    Raises
    ------
    StateError
        With what was expected.
    """
    try:
        item = key.removeprefix(KIND + b"/").decode()
    except UnicodeDecodeError:
        item = ""
    if not item or value not in (THERE, GONE):
        msg = f"availability: expected an item's id, and 1 or 0, got {key[:80]!r}, {value[:80]!r}"
        raise StateError(f"{msg}; {SKIP}")
    return item, value == THERE
