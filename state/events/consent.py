"""Whether a record says that its user may not be learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from state.events.fields import at_path

_NO = frozenset(("false", "no", "denied", "0", "0.0"))
_YES = frozenset(("true", "yes", "granted", "1", "1.0"))


@dataclass(frozen=True, slots=True)
class Consent:
    """Reads what records say of consent, whatever else is wrong with them."""

    path: str
    """Path of the field in the event."""
    required: bool = False
    """Whether a record that says nothing means no."""

    def refused(self, values: Sequence[bytes | None]) -> list[int]:
        """Return the positions of the records that say no."""
        steps = self.path.split(".")
        name = steps[-1].encode()
        return [n for n, value in enumerate(values) if not self._given(value, steps, name)]

    def _given(self, value: bytes | None, steps: list[str], name: bytes) -> bool:
        if value is None or not (name in value or b"\\" in value):  # names may be escaped
            return not self.required
        try:
            tree = msgspec.json.decode(value)
        except (ValueError, RecursionError):  # DecodeError and UnicodeDecodeError are the former
            return name not in value and not self.required  # it may have been a no
        word = _word(at_path(tree, steps)) if isinstance(tree, dict) else ""
        return word in _YES or not (word in _NO or self.required)


def _word(found: Any) -> str:
    """Return a value as a word in lower case; "" for what is none."""
    return str(found).strip().lower() if isinstance(found, str | int | float) else ""
