"""Descriptions of items (topic `catalog`, compacted), JSON; the key is the item's id, null deletes.

All fields may be missing. Fields that are unknown are left out, texts and lists that are too long
are cut: what somebody writes of one item must not fill the memory of whoever reads all.
"""

from typing import Any

import msgspec

from state.codec import json_codec
from state.codec.sealed import SKIP

MOST_TEXT, MOST_LINK, MOST_CATEGORIES = 500, 2_000, 50
"""Characters of a title or category, and of an address; categories of an item."""
_WHERE = "catalog"


class Description(msgspec.Struct, omit_defaults=True, frozen=True):
    """What is known of an item besides behaviour."""

    title: str | None = None
    categories: tuple[str, ...] = ()
    available: bool = True
    """Whether it may be shown."""
    image: str | None = None
    """Address of a picture."""
    url: str | None = None
    created_at: int | None = None
    """ms since 1970."""


class _Written(msgspec.Struct):
    title: str | None = None
    categories: list[str] | str | None = None
    available: bool | None = None
    image: str | None = None
    url: str | None = None
    created_at: int | None = None
    attributes: dict[str, Any] | None = None


def decode(value: bytes) -> Description:
    """Read a value.

    Raises
    ------
    StateError
        With what was expected.
    """
    found = json_codec.decode(value, _Written, _WHERE, expected="a description", remedy=SKIP)
    categories = found.categories or []
    if isinstance(categories, str):
        categories = [categories]
    return Description(
        title=_cut(found.title, MOST_TEXT),
        categories=tuple(name[:MOST_TEXT] for name in categories[:MOST_CATEGORIES]),
        available=found.available is not False,
        image=_address(found.image),
        url=_address(found.url),
        created_at=found.created_at,
    )


def encode(item_id: str, description: Description) -> tuple[bytes, bytes]:
    """Return key and value of a record."""
    return item_id.encode(), msgspec.json.encode(description)


def _cut(text: str | None, most: int) -> str | None:
    return text[:most] if text else None


def _address(text: str | None) -> str | None:
    """Return an address that a page may follow; nothing of other schemes, such as `javascript:`."""
    if not text or len(text) > MOST_LINK:
        return None
    return text if text.startswith(("https://", "http://", "/")) else None
