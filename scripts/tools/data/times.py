"""Columns of times of any type: numbers in s, ms, µs or ns, instants, days, ISO 8601 text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scripts.tools.console import ToolError
from scripts.tools.data.ids import Place, decoded, floats
from scripts.tools.data.time_units import scaled, unit_of

_NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
_TEXT = "ISO 8601 text"


@dataclass(frozen=True)
class Times:
    """A part of a column of times.

    Parameters
    ----------
    values : int64[n] or float64[n]
        Milliseconds since 1970, or numbers of a unit that is not known yet.
    missing : bool[n]
        Rows without one.
    unit
        What its type is; None where the values are numbers.
    """

    values: NDArray[Any]
    missing: NDArray[np.bool_]
    unit: str | None

    @property
    def largest(self) -> float:
        """The largest number, whatever its sign."""
        return float(np.abs(self.values[~self.missing]).max(initial=0))

    def ms(self, factor: float) -> NDArray[np.int64]:
        """Return milliseconds; factor: those of the unit that numbers are in."""
        return self.values if self.unit is not None else scaled(self.values, factor)


def factor_of(largest: float, place: Place) -> tuple[str, float]:
    """Return the unit that the largest number of a file shows, and its milliseconds.

    Raises
    ------
    ToolError
        For a number that is no time.
    """
    try:
        return unit_of(largest)
    except ToolError as error:
        raise ToolError(f"{place.path}: {place.name}: {error}; drop such rows") from None


def times(column: pa.Array, place: Place) -> Times:
    """Return a part of a column of times.

    Raises
    ------
    ToolError
        For what is no time.
    """
    column = decoded(column)
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _instants(column, str(kind))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_text(column, place)
    if pa.types.is_integer(kind):
        missing = np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), np.bool_)
        whole = pc.fill_null(column, 0).cast(pa.int64(), safe=False)
        return Times(np.asarray(whole.to_numpy(zero_copy_only=False)), missing, None)
    return _numbers(column, place)


def _numbers(column: pa.Array, place: Place) -> Times:
    values = floats(column, place)
    missing = np.isnan(values)
    return Times(np.where(missing, 0, values), missing, None)


def _instants(column: pa.Array, unit: str) -> Times:
    missing = np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), np.bool_)
    zone = getattr(column.type, "tz", None)
    ms = column.cast(pa.timestamp("ms", zone), safe=False).cast(pa.int64())
    return Times(np.asarray(pc.fill_null(ms, 0).to_numpy(zero_copy_only=False)), missing, unit)


def _of_text(column: pa.Array, place: Place) -> Times:
    column = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.large_string()), column)
    numeric = pc.match_substring_regex(column, _NUMBER)
    if pc.any(numeric).as_py() is not True and column.null_count < len(column):
        return _instants(_parsed(column, place), _TEXT)
    if pc.all(numeric).as_py() is False:
        row = pc.index(numeric, False).as_py()
        advice = "write all times in one way"
        raise place.error(row, "numbers as in other rows", repr(column[row].as_py()), advice)
    return _numbers(column, place)


def _parsed(column: pa.Array, place: Place) -> pa.Array:
    """Return ISO 8601 text as instants; without a zone it is in UTC."""
    plain = pc.replace_substring_regex(column, r"\s*(UTC|GMT|z)$", "Z")
    plain = pc.replace_substring_regex(plain, r"\s+([+-][0-9]{2}(:?[0-9]{2})?)$", r"\1")
    plain = pc.replace_substring_regex(plain, r"^([0-9]{4}-[0-9]{2}-[0-9]{2})Z?$", r"\1T00:00Z")
    zoned = pc.match_substring_regex(pc.replace_substring_regex(plain, r"^.{10}", ""), _ZONE)
    plain = pc.if_else(zoned, plain, pc.replace_substring_regex(plain, r"$", "Z"))
    # milliseconds reach any year; those of ns end in 2262, and go on in 1677
    plain = pc.replace_substring_regex(plain, r"(\.[0-9]{3})[0-9]+", r"\1")
    try:
        return plain.cast(pa.timestamp("ms", "UTC"))
    except pa.ArrowInvalid:
        row = next(n for n in range(len(plain)) if not _is_instant(plain[n]))
        got = repr(column[row].as_py())
        expected = "times such as 1700000000 or 2024-05-01T10:00:00Z"
        raise place.error(row, expected, got, "write it so, or drop the row") from None


def _is_instant(text: pa.Scalar) -> bool:
    try:
        text.cast(pa.timestamp("ms", "UTC"))
    except pa.ArrowInvalid:
        return False
    return True
