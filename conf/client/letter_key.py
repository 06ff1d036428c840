"""Keys that dead letters are encrypted and pseudonyms are made with, as they are written down."""

import base64
import binascii
import re
from typing import Any

from conf.client.secrets import Secret
from conf.section import Problem, refuse

NAMES = tuple(
    f"privacy.{name}" for name in ("dead_letter_key", "pseudonym_key", "former_pseudonym_key")
)
"""Keys of the configuration that refer to one."""
EXPECTED = "a 256-bit key in base64 (44 characters) or hexadecimal (64)"
HINT = "make one by openssl rand -base64 32"

_HEXADECIMAL = re.compile("[0-9a-fA-F]{64}")
_BASE64 = re.compile("[A-Za-z0-9+/_-]{43}=?")


def bytes_of(text: str) -> bytes | None:
    """Return the key that a text stands for; None where it stands for none.

    >>> bytes_of("00" * 32) == bytes_of("A" * 43 + "=") == bytes(32)
    True
    """
    if _HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text)
    if not _BASE64.fullmatch(text):
        return None
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(f"{plain}=", validate=True)
    except binascii.Error:
        return None


def kind_of(text: str) -> str:
    """Return what a text is that stands for no key, without a piece of it."""
    return f"text of {len(text)} characters"


def checked_key(value: Any) -> str | None:
    """Return the key's text, masked wherever it is shown, or None without one.

    Raises
    ------
    PydanticCustomError
        Where it is another kind of value, no reference, or leads to no key; never with the value.
    """
    if value is None:
        return None
    if not isinstance(value, Secret):
        got = "the key itself" if isinstance(value, str) else "another kind of value"
        refuse([Problem("", "null or a reference ${env:NAME} or ${file:PATH}", got)])
    elif bytes_of(value) is None:
        refuse([Problem("", EXPECTED, kind_of(value), HINT)])
    return value  # type: ignore[no-any-return]
