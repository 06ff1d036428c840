"""Descriptions of items in files: Parquet or text, one row an item."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from scripts.tools.console import ToolError, progress
from scripts.tools.data import columns, ids
from scripts.tools.data.columns import Columns
from scripts.tools.data.tables import Table, TextTable, tables
from state.topics.catalog import MOST_CATEGORIES, Description

ROLES = ("item", "title")
PERHAPS = ("categories", "available", "image", "url", "created", "scope")
_SEPARATORS = ("|", ";", ",")
"""Between the categories of a cell: the first one that it has."""
_NO = ("0", "false", "no", "n", "f", "out of stock")


@dataclass(frozen=True)
class Described:
    """What files say of items.

    Parameters
    ----------
    paths, given
        Files, and their columns, see `scripts.tools.data.columns`; names that are all numbers mean
        a text file without a header.
    encoding
        Of text files.

    Raises
    ------
    ToolError
        For what is no table, and for columns that are missing.
    """

    paths: Sequence[Path]
    given: Columns
    encoding: str = "utf-8"

    def rows(self) -> Iterator[tuple[str, Description]]:
        """Yield item and description of every row that has an item, in the order of the files."""
        for table in map(self._opened, tables(self.paths)):
            names = columns.found(table, self.given, ROLES, PERHAPS)
            progress(columns.told(table, names))
            first = 0
            for batch in table.batches(list(names.values())):
                cells = {role: batch.column(name) for role, name in names.items()}
                place = ids.Place(table.path, names["item"], first, is_text=table.is_text)
                yield from _of_batch(cells, place)
                first += len(batch)

    def _opened(self, table: Table) -> Table:
        if not isinstance(table, TextTable):
            return table
        if self.given and all(name.isdigit() for name in self.given.values()):
            numbers = tuple(str(n) for n in range(1, len(table.names) + 1))
            table = replace(table, names=numbers, header=False)
        return replace(table, encoding=self.encoding)


def _of_batch(cells: dict[str, pa.Array], place: ids.Place) -> Iterator[tuple[str, Description]]:
    items = ids.ids(cells.pop("item"), place).to_pylist()
    values = {role: column.to_pylist() for role, column in cells.items()}
    for n, item in enumerate(items):
        if item is not None:
            yield item, description({role: column[n] for role, column in values.items()})


def description(cells: dict[str, Any]) -> Description:
    """Return a description from the cells of a row.

    >>> description({"title": " Tea ", "categories": "hot|drinks", "available": "no"})
    Description(title='Tea', categories=('hot', 'drinks'), available=False, image=None, url=None, \
created_at=None, scope=None)
    """
    return Description(
        title=_text(cells.get("title")),
        categories=_categories(cells.get("categories")),
        available=str(cells.get("available", "")).strip().lower() not in _NO,
        image=_text(cells.get("image")),
        url=_text(cells.get("url")),
        created_at=_instant(cells.get("created")),
        scope=_text(cells.get("scope")),
    )


def _text(cell: Any) -> str | None:
    return str(cell).strip() or None if cell is not None else None


def _categories(cell: Any) -> tuple[str, ...]:
    if cell is None:
        return ()
    if not isinstance(cell, str):
        names = (
            [str(name) for name in cell if name is not None]
            if isinstance(cell, list)
            else [str(cell)]
        )
    else:
        between = next((one for one in _SEPARATORS if one in cell), None)
        names = cell.split(between) if between else [cell]
    kept = (re.sub(r"\s+", " ", name).strip() for name in names)
    return tuple(dict.fromkeys(name for name in kept if name))[:MOST_CATEGORIES]


def _instant(cell: Any) -> int | None:
    """Return ms since 1970 of a number of s or ms; None of anything else."""
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    if not 0 < number < 1e15:
        return None
    return int(number * 1000 if number < 1e11 else number)


def check_encoding(name: str) -> str:
    """Return the name of an encoding of text.

    Raises
    ------
    ToolError
        Where there is none of that name.
    """
    try:
        "".encode(name)
    except LookupError:
        message = f"--encoding: expected one such as utf-8 or latin-1, got {name!r}"
        raise ToolError(message, code=2) from None
    return name
