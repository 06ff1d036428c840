"""What requests ask for, and how ids are read."""

from typing import Annotated, Literal

from litestar.params import PathParameter, QueryParameter

from jobs.serve.wish import Wish

MOST = 1_000
"""Items of an answer, at most."""

Id = Annotated[str, PathParameter(description="An id, percent-encoded; a slash in it is %2F.")]
Number = Annotated[int, QueryParameter(ge=1, le=MOST, description="Most items of the answer.")]
_MOST_CATEGORIES = 50
Category = Annotated[
    list[str] | None,
    QueryParameter(
        description="Only items of this category of the catalogue; given several times: of at"
        " least one of them.",
        max_items=_MOST_CATEGORIES,
    ),
]
All = Annotated[
    list[str] | None,
    QueryParameter(
        description="Only items of all these categories; can be given several times.",
        max_items=_MOST_CATEGORIES,
    ),
]
Exclude = Annotated[
    str, QueryParameter(description="Ids that are not wanted, with commas between.")
]
Form = Annotated[
    Literal["job", "plain"],
    QueryParameter(
        description="`job`: as the job's configuration has events; `plain`: user_id, item_id,"
        " event_type, timestamp (ms), event_id, value, whatever the job's own form is."
    ),
]
Shown = Annotated[
    bool,
    QueryParameter(description="The items are shown to the user: send an impression of each."),
]
Include = Annotated[
    str, QueryParameter(description="`items`: with what the catalogue says of each.")
]


def wish(
    n: Number = 10,
    category: Category = None,
    all: All = None,  # noqa: A002  # its name in the address
    exclude: Exclude = "",
    include: Include = "",
) -> Wish:
    """Read what a request asks for."""
    names = frozenset(name for name in exclude.split(",") if name)
    return Wish(n, names, _named(category), _named(all), include == "items")


def _named(categories: list[str] | None) -> tuple[str, ...]:
    """Return the categories that have a name: an empty field of a form asks for none."""
    return tuple(name for name in categories or () if name)
