"""Which column of a file is what: named by `--columns`, or found by the names that are usual."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.tools.console import ToolError
from scripts.tools.data.tables import Table

USUAL = {
    "user": ("user_id", "user", "uid", "visitor_id", "customer_id", "reviewer_id"),
    "item": ("item_id", "item", "movie_id", "product_id", "article_id", "sku", "asin"),
    "time": ("timestamp", "time", "ts", "event_time", "event_timestamp", "unix_review_time"),
    "type": ("event_type", "event"),
    "rating": ("rating", "stars", "overall", "event_value"),
    "session": ("session_id", "session"),
    "period": ("period",),
    "title": ("title", "name", "product_name", "headline"),
    "categories": ("categories", "category", "genres", "genre", "category_l1", "tags"),
    "available": ("available", "in_stock", "is_available"),
    "image": ("image", "image_url", "picture"),
    "url": ("url", "link"),
    "created": ("created_at", "creation_timestamp", "published_at"),
    "scope": ("scope", "market", "country"),
}
"""Names of columns by what they are, the project's own first; case and `_` do not count."""
EVENTS = ("user", "item", "time")
PERHAPS = ("type", "rating")
Columns = Mapping[str, str]
"""Names of columns in a file, by what they are."""


def add_arguments(
    parser: argparse._ActionsContainer,
    words: str = "",
    *,
    required: bool = False,
    roles: Sequence[str] = (*EVENTS, *PERHAPS),
) -> None:
    """Add the options that say which files, and which of their columns; parameters as below."""
    add_data(parser, words, required=required, roles=roles)
    add_columns(parser, roles)


def add_data(
    parser: argparse._ActionsContainer,
    words: str = "",
    *,
    required: bool = False,
    roles: Sequence[str] = (*EVENTS, *PERHAPS),
) -> None:
    """Add the option `--data`.

    Parameters
    ----------
    words
        More to say of it.
    required
        Whether there must be files.
    roles
        What columns there are.
    """
    usual = ", ".join(USUAL[role][0] for role in roles)
    parser.add_argument(
        "--data", type=Path, nargs="+", action="extend", metavar="FILE", required=required,
        help="Parquet or CSV (also .tsv, .csv.gz, MovieLens' u.data and ratings.dat), or folders of"
        f" them; columns {usual} by these or other usual names{words}",
    )  # fmt: skip


def add_columns(
    parser: argparse._ActionsContainer, roles: Sequence[str] = (*EVENTS, *PERHAPS)
) -> None:
    """Add the option `--columns`."""
    example = ",".join(f"{role}=NAME" for role in roles)
    parser.add_argument(
        "--columns", type=names_parser(roles), default={}, metavar="ROLE=NAME,...",
        help=f"the files' columns by name, where they are not found by themselves: {example}",
    )  # fmt: skip


def names_parser(roles: Sequence[str]) -> "_Parser":
    """Return what reads `role=name,…` of some roles."""
    return _Parser(roles)


class _Parser:
    """Reads `role=name,…`."""

    def __init__(self, roles: Sequence[str]) -> None:
        self._roles = roles

    def __call__(self, text: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in text.split(","):
            role, _, name = (one.strip() for one in part.partition("="))
            if role not in self._roles or not name or role in found:
                expected = f"each of {', '.join(self._roles)} at most once, as ROLE=NAME"
                raise argparse.ArgumentTypeError(f"expected {expected}, got {part!r}")
            found[role] = name
        return found


def found(
    table: Table,
    given: Columns,
    roles: Sequence[str] = EVENTS,
    perhaps: Sequence[str] = PERHAPS,
) -> dict[str, str]:
    """Return the names of a file's columns by what they are.

    Parameters
    ----------
    given
        Those that `--columns` says.
    roles, perhaps
        What there must be, and what there may be.

    Raises
    ------
    ToolError
        For a column that is missing, and for two that could be the same.
    """
    chosen = {}
    for role in (*roles, *perhaps):
        names = _candidates(table, role, given)
        if len(names) > 1:
            message = f"{table.path}: expected one column for {role}, got {' and '.join(names)}"
            raise ToolError(f"{message}; say which: --columns {role}={names[0]}")
        if names:
            chosen[role] = names[0]
    missing = [role for role in roles if role not in chosen]
    if missing:
        raise _missing(table, missing, roles)
    return chosen


def _candidates(table: Table, role: str, given: Columns) -> list[str]:
    if role in given:
        if given[role] in table.names:
            return [given[role]]
        message = f"{table.path}: --columns: expected the name of a column for {role}"
        raise ToolError(f"{message}, got {given[role]}; it has {', '.join(table.names)}")
    usual = {_plain(name) for name in USUAL[role]}
    taken = set(given.values())
    return [name for name in table.names if name not in taken and _plain(name) in usual]


def _missing(table: Table, missing: Sequence[str], roles: Sequence[str]) -> ToolError:
    usual = ", ".join(USUAL[role][0] for role in roles)
    say = ",".join(f"{role}=NAME" for role in missing)
    lacking = ", ".join(USUAL[role][0] for role in missing)
    return ToolError(
        f"{table.path}: expected the columns {usual}, got {', '.join(table.names)[:300]};"
        f" rename or add {lacking}, or say what they are: --columns {say}"
    )


def _plain(name: str) -> str:
    """Return a name without what does not count.

    >>> _plain("USER_ID"), _plain("movieId")
    ('userid', 'movieid')
    """
    return name.strip().lower().replace("_", "")


def told(table: Table, columns: Columns) -> str:
    """Return in words what was chosen.

    >>> told(Table(Path("a.csv"), ("u", "i")), {"user": "u", "item": "i"})
    'a.csv: columns user=u,item=i'
    """
    chosen = ",".join(f"{role}={name}" for role, name in columns.items())
    return f"{table.path}: columns {chosen}"
