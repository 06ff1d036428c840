"""What requests ask for, and how ids are read."""

from typing import Annotated

from litestar.params import PathParameter, QueryParameter

from jobs.serve.selection import Wish

MOST = 1_000
"""Items of an answer, at most."""

Id = Annotated[str, PathParameter(description="An id, percent-encoded; a slash in it is %2F.")]
Number = Annotated[int, QueryParameter(ge=1, le=MOST, description="Most items of the answer.")]
Category = Annotated[
    str | None, QueryParameter(description="Only items of this category of the catalogue.")
]
Exclude = Annotated[
    str, QueryParameter(description="Ids that are not wanted, with commas between.")
]
Include = Annotated[
    str, QueryParameter(description="`items`: with what the catalogue says of each.")
]


def wish(
    n: Number = 10, category: Category = None, exclude: Exclude = "", include: Include = ""
) -> Wish:
    """Read what a request asks for."""
    names = frozenset(name for name in exclude.split(",") if name)
    return Wish(n, names, category, include == "items")
