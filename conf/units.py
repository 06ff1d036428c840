"""Quantities with a unit: written "15m" or "64KiB" in YAML, held as one plain integer.

The unit of the integer never varies: a duration is milliseconds, a size is bytes, an instant is
milliseconds since 1970. Fields therefore carry no unit in their name (`users.ttl: 30d`).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from pydantic_core import core_schema

from conf.section import refusal

DURATIONS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse(text: object, units: dict[str, int]) -> int | None:
    """Return `text`, a whole number and one of `units`, in the smallest unit; None if it is not.

    >>> parse("15m", DURATIONS)
    900000
    """
    match = re.fullmatch(r"(\d{1,15})\s*([A-Za-z]+)", text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        return None
    return int(match[1]) * units[match[2]]


def render(amount: int, units: dict[str, int]) -> str:
    """Return an amount in the largest unit that leaves a whole number.

    >>> render(900_000, DURATIONS), render(65_536, SIZES)
    ('15m', '64KiB')
    """
    unit = max((size, name) for name, size in units.items() if amount % size == 0 or size == 1)[1]
    return f"{amount // units[unit]}{unit}"


def duration(text: str) -> int:
    """Return the milliseconds of a duration such as "15m"."""
    return _whole(text, DURATIONS)


def size(text: str) -> int:
    """Return the bytes of a size such as "64KiB"."""
    return _whole(text, SIZES)


def day(text: str) -> int:
    """Return the first instant of a day such as "2000-01-01" in UTC, ms since 1970."""
    start = date.fromisoformat(text)
    return int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()) * 1_000


def _whole(text: str, units: dict[str, int]) -> int:
    amount = parse(text, units)
    if amount is None:
        msg = f"conf.units: expected a whole number with one of {', '.join(units)}, got {text!r}"
        raise ValueError(msg)
    return amount


@dataclass(frozen=True)
class Quantity:
    """A pydantic annotation: text with a unit, between two bounds, to an integer."""

    least: str
    most: str | None = None

    units: ClassVar[dict[str, int]] = DURATIONS
    noun: ClassVar[str] = 'a duration such as "15m"'

    def expected(self) -> str:
        """Return what is accepted, in words."""
        return f"{self.noun} from {self.least}" + (f" to {self.most}" if self.most else "")

    def validate(self, value: object) -> int:
        """Return the amount in the smallest unit.

        Raises
        ------
        PydanticCustomError
            When it has no known unit or lies out of the bounds.
        """
        amount, least = parse(value, self.units), _whole(self.least, self.units)
        most = _whole(self.most, self.units) if self.most else amount
        if amount is None or most is None or not least <= amount <= most:
            raise refusal(self.expected())
        return amount

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """Let pydantic use `validate` for the annotated field."""
        return core_schema.no_info_plain_validator_function(self.validate)


@dataclass(frozen=True)
class Duration(Quantity):
    """Milliseconds."""


@dataclass(frozen=True)
class Size(Quantity):
    """Bytes."""

    units: ClassVar[dict[str, int]] = SIZES
    noun: ClassVar[str] = 'a size such as "64KiB"'


@dataclass(frozen=True)
class Day:
    """A pydantic annotation: a calendar day, held as its first instant in UTC."""

    def validate(self, value: object) -> int:
        """Return milliseconds since 1970 of the day's beginning.

        Raises
        ------
        PydanticCustomError
            When it is no day of the calendar, or one before 1970.
        """
        try:
            instant = day(str(value))
        except ValueError:
            instant = -1
        if instant < 0:
            words = 'a day from 1970 on such as "2000-01-01"'
            raise refusal(words)
        return instant

    def render(self, instant: int) -> str:
        """Return the day of an instant."""
        return datetime.fromtimestamp(instant / 1_000, tz=UTC).date().isoformat()

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """Let pydantic use `validate` for the annotated field."""
        return core_schema.no_info_plain_validator_function(self.validate)
