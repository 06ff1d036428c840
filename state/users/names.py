"""What users are called inside the job: by their ids, or by pseudonyms.

A pseudonym is a mark and the first 128 bits of HMAC-SHA256 (FIPS 198-1) of the id, in base64 (RFC
4648, section 5). Its key is derived from the one in the configuration.
"""

import hmac
import re
from base64 import urlsafe_b64encode

from models.keys import key_of
from models.params.names import NameParams

MARK = "~"
"""What pseudonyms begin with."""
_DERIVED = b"streamrec user pseudonyms 1"
_BYTES = 16


_FORM = re.compile(MARK + "[A-Za-z0-9_-]{22}")


def is_pseudonym(name: str) -> bool:
    """Return whether a name has the form of a pseudonym."""
    return _FORM.fullmatch(name) is not None


def pseudonym_of(user: str, derived: bytes) -> str:
    """Return the pseudonym of a user: 23 characters."""
    digest = hmac.digest(derived, user.encode(), "sha256")
    return MARK + urlsafe_b64encode(digest[:_BYTES]).rstrip(b"=").decode()


class Names:
    """Calls users by a key, and knows what they were called before.

    Parameters
    ----------
    params : NameParams
    """

    def __init__(self, params: NameParams) -> None:
        self._key, self._former = (
            None if key is None else hmac.digest(key, _DERIVED, "sha256")
            for key in (params.key, params.former_key)
        )
        self._formerly_ids = params.formerly_ids
        self.hides = self._key is not None
        """Whether users are called by pseudonyms."""
        self.outside = params.outside and self.hides
        """Whether they are so in recommendations, too."""
        there = [key_of(key.hex()) for key in (self._key, self._former) if key is not None]
        self._known = {*there, 0} if self._formerly_ids or not self.hides else set(there)

    @property
    def rotates(self) -> bool:
        """Return whether users may still have what they were called before."""
        return self._former is not None or self._formerly_ids

    def of(self, user: str) -> str:
        """Return what a user is called."""
        return user if self._key is None else pseudonym_of(user, self._key)

    def formers(self, user: str) -> list[str]:
        """Return what a user may have been called before.

        Nobody becomes somebody else by having a pseudonym for an id.
        """
        found = [user] if self._formerly_ids and not is_pseudonym(user) else []
        return found if self._former is None else [*found, pseudonym_of(user, self._former)]

    @property
    def made_by(self) -> int:
        """Return a number that stands for the key of pseudonyms; 0 for none."""
        return 0 if self._key is None else key_of(self._key.hex())

    def knows(self, made_by: int) -> bool:
        """Return whether users can be found who were called by a key, see `made_by`."""
        return made_by in self._known

    def every(self, user: str) -> list[str]:
        """Return what a user is called, and was before."""
        return [self.of(user), *self.formers(user)]

    def keys(self, user: str) -> list[int]:
        """Return the key that a user has, and those of before."""
        return [key_of(name) for name in self.every(user)]
