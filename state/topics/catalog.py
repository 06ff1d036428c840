"""Descriptions of items (topic `catalog`, compacted), JSON; the key is the item's id, null deletes.

All fields may be missing. Fields that are unknown are left out, texts and lists that are too long
are cut: what somebody writes of one item must not fill the memory of whoever reads all.
"""

import re
from itertools import islice
from typing import Any

import msgspec

from models.catalogue.catalogue import Facts
from state.codec import json_codec
from state.codec.sealed import SKIP, StateError

MOST_TEXT, MOST_LINK, MOST_CATEGORIES = 500, 2_000, 50
"""Characters of a title or category, and of an address; categories of an item."""
_says_unavailable = re.compile(rb'"available"\s*:\s*false').search
MOST_ATTRIBUTES, MOST_WORD = 20, 100
"""Attributes of an item that rules may ask for; characters of their names, values and of scopes."""
_WHERE, _EXPECTED = "catalog", "a description"


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
    scope: str | None = None
    """Only users of the same scope are recommended the item; None for everybody."""


class _Written(msgspec.Struct):
    title: str | None = None
    categories: list[str] | str | None = None
    available: bool | None = None
    image: str | None = None
    url: str | None = None
    created_at: int | None = None
    scope: str | None = None
    attributes: dict[str, Any] | None = None


class _Availability(msgspec.Struct):
    available: bool | None = None


def facts(value: bytes) -> tuple[bool, Facts]:
    """Return whether an item may be shown, and what rules of lists may ask for.

    Where something else is wrong with a description, it still says the former.

    Raises
    ------
    StateError
        With what was expected.
    """
    try:
        found = _read(value)
    except StateError:
        if _says_unavailable(value):
            return False, Facts()
        least = json_codec.decode(value, _Availability, _WHERE, expected=_EXPECTED, remedy=SKIP)
        return least.available is not False, Facts()
    named = list(islice((found.attributes or {}).items(), MOST_ATTRIBUTES))
    attributes = tuple(
        (name[:MOST_WORD], text[:MOST_WORD])
        for name, one in named
        if (text := _word(one)) is not None
    )
    return found.available is not False, Facts(
        (found.scope or "")[:MOST_WORD], _categories(found), attributes
    )


def decode(value: bytes) -> Description:
    """Read a value.

    Raises
    ------
    StateError
        With what was expected.
    """
    found = _read(value)
    return Description(
        title=_cut(found.title, MOST_TEXT),
        categories=_categories(found),
        available=found.available is not False,
        image=_address(found.image),
        url=_address(found.url),
        created_at=found.created_at,
        scope=_cut(found.scope, MOST_WORD),
    )


def encode(item_id: str, description: Description) -> tuple[bytes, bytes]:
    """Return key and value of a record."""
    return item_id.encode(), msgspec.json.encode(description)


def _read(value: bytes) -> _Written:
    return json_codec.decode(value, _Written, _WHERE, expected=_EXPECTED, remedy=SKIP)


def _categories(found: _Written) -> tuple[str, ...]:
    categories = found.categories or []
    if isinstance(categories, str):
        categories = [categories]
    return tuple(name[:MOST_TEXT] for name in categories[:MOST_CATEGORIES])


def _word(value: Any) -> str | None:
    """Return an attribute as rules name it; None of what is no single value."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _cut(text: str | None, most: int) -> str | None:
    return text[:most] if text else None


def _address(text: str | None) -> str | None:
    """Return an address that a page may follow; nothing of other schemes, such as `javascript:`."""
    if not text or len(text) > MOST_LINK:
        return None
    return text if text.startswith(("https://", "http://", "/")) else None
