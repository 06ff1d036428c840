"""Key and value of dead letters, encrypted so that only who has the key reads them.

AES-256-GCM with a random nonce of 96 bits: nonce, ciphertext and tag of 128 bits, one after the
other. Authenticated with them are where the refused record lies and which of the two it is, so
that neither can be moved to another letter. A key takes 2^32 of them, 2^31 letters.
"""

import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from state.topics import dead_letter

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
OVERHEAD = NONCE_BYTES + TAG_BYTES
"""Bytes that encryption adds."""
_CONTEXT = b"streamrec dead letter 1"
_ROUTES = b"streamrec record keys of dead letters"
_ROUTE_BYTES = 2
_KEY, _VALUE, _LONE_VALUE = b"key", b"value", b"value without key"
"""Parts of a record; the last one so that nobody takes the key away."""
_NUMBER = re.compile(rb"[0-9]{1,19}")


class SealError(Exception):
    """Bytes were not encrypted with this key for this place, or were changed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the refused record lies."""

    topic: bytes
    partition: int
    offset: int

    def context(self, part: bytes) -> bytes:
        """Return what is authenticated with a part of the record, its key or its value."""
        numbers = b"%d\0%d" % (self.partition, self.offset)
        return b"\0".join([_CONTEXT, part, numbers, self.topic])  # the only one of any length


class Seal:
    """Encrypts and decrypts with one key, which it never shows.

    Parameters
    ----------
    key : bytes
        256 bits.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            message = f"key: expected {KEY_BYTES} bytes, got {len(key)}"
            raise ValueError(message)
        self._key, self._cipher = key, AESGCM(key)
        self._routes = self.digest(_ROUTES)
        self.id = sha256(key).hexdigest()[:8]
        """Says which key it is."""

    def __repr__(self) -> str:
        """Return the id, not the key."""
        return f"Seal({self.id})"

    def __reduce__(self) -> str:
        """Refuse to be written anywhere."""
        message = "a seal holds a key and is not pickled"
        raise TypeError(message)

    def encrypt(self, data: bytes, place: Place, part: bytes) -> bytes:
        """Return bytes of a refused record, of its key or its value, encrypted."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, place.context(part))

    def decrypt(self, data: bytes, place: Place, part: bytes) -> bytes:
        """Return what was encrypted.

        Raises
        ------
        SealError
            If it was not by this key, for this place and part, or was changed.
        """
        try:
            return self._cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place.context(part))
        except (InvalidTag, ValueError):  # the latter: shorter than a nonce
            message = f"not encrypted with key {self.id} for this record, or changed"
            raise SealError(message) from None

    def digest(self, data: bytes) -> bytes:
        """Return what stands for bytes that are left out: HMAC-SHA256, which nobody can guess."""
        return hmac.digest(self._key, data, "sha256")

    def route(self, key: bytes) -> bytes:
        """Return the record key of the letters of a key: they stay in one partition, in order.

        Of 16 bits, so that among many users several share each.
        """
        return hmac.digest(self._routes, key, "sha256")[:_ROUTE_BYTES]


def sealed(
    seal: Seal, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes], place: Place
) -> tuple[bytes | None, bytes | None, dict[str, bytes]]:
    """Return key, value and headers of an encrypted letter; what is None stays None."""
    written = {
        **headers,
        dead_letter.ENCRYPTION: dead_letter.ALGORITHM,
        dead_letter.KEY_ID: seal.id.encode(),
    }
    route, part = None, _LONE_VALUE
    if key is not None:
        route, part = seal.route(key), _VALUE
        written[dead_letter.SEALED_KEY] = seal.encrypt(key, place, _KEY)
    return route, None if value is None else seal.encrypt(value, place, part), written


def opened(
    seal: Seal, value: bytes | None, headers: Mapping[str, bytes | None]
) -> tuple[bytes | None, bytes | None]:
    """Return key and value of an encrypted letter as they were before.

    Raises
    ------
    SealError
        If one was not encrypted with this key for this record, or was changed.
    """
    place = _place(headers)
    key = headers.get(dead_letter.SEALED_KEY)
    part = _LONE_VALUE if key is None else _VALUE
    return (
        None if key is None else seal.decrypt(key, place, _KEY),
        None if value is None else seal.decrypt(value, place, part),
    )


def _place(headers: Mapping[str, bytes | None]) -> Place:
    partition, offset = (
        headers.get(name) or b"" for name in (dead_letter.PARTITION, dead_letter.OFFSET)
    )
    if not _NUMBER.fullmatch(partition) or not _NUMBER.fullmatch(offset):
        message = "without the partition and offset that it was encrypted for"
        raise SealError(message)
    return Place(headers.get(dead_letter.TOPIC) or b"", int(partition), int(offset))
