"""The ids of users who are called by pseudonyms, encrypted so that only who has the key reads them.

A sealed value (magic `UN`, version 1): nonce of 96 bits, ciphertext and tag of 128 bits of
AES-256-GCM with the pseudonym as associated data. The nonce is made of the id, so that the same id
is always the same bytes; both keys are derived from the one in the configuration.
"""

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from state.codec.sealed import open_sealed, seal

MAGIC = b"UN"
VERSION = 1
_NONCE_BYTES = 12


class NameSeal:
    """Encrypts and decrypts with one key, which it never shows.

    Parameters
    ----------
    key : bytes
        256 bits.
    """

    def __init__(self, key: bytes) -> None:
        self._nonces = hmac.digest(key, b"streamrec user nonces 1", "sha256")
        self._cipher = AESGCM(hmac.digest(key, b"streamrec user names 1", "sha256"))

    def encrypt(self, pseudonym: str, user: str) -> bytes:
        """Return the id of a user, encrypted."""
        nonce = hmac.digest(self._nonces, user.encode(), "sha256")[:_NONCE_BYTES]
        hidden = self._cipher.encrypt(nonce, user.encode(), pseudonym.encode())
        return seal(MAGIC, VERSION, nonce + hidden)

    def decrypt(self, pseudonym: str, value: bytes) -> str | None:
        """Return the id; None if it is of another key or another user.

        Raises
        ------
        StateError
            If the value is damaged or of an unknown version.
        """
        _, found = open_sealed(value, MAGIC, (VERSION,), "id of a user")
        payload = bytes(found)
        nonce, rest = payload[:_NONCE_BYTES], payload[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, pseudonym.encode()).decode()
        except (InvalidTag, ValueError):  # the latter: too short
            return None
