"""Items: search, what resembles and follows them, boards."""

from dataclasses import replace
from typing import Annotated

from litestar import Controller, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, QueryParameter

from jobs.serve import answers
from jobs.serve.paths import id_of
from jobs.serve.routes.parts import ReplicaPart, SelectionPart, Wished
from jobs.serve.routes.wishes import Id

Search = Annotated[str, QueryParameter(max_length=200, description="Words of a title.")]


class ItemRoutes(Controller):
    """Routes of items."""

    path = "/v1"
    tags = ("items",)

    @get("/items", sync_to_thread=False)
    def items(self, wished: Wished, selection: SelectionPart, search: Search = "") -> answers.Items:
        """Return the items whose title has all words, popular ones first."""
        return answers.Items(selection.search(search, replace(wished, described=True)))

    @get("/items/{item_id:str}", sync_to_thread=False)
    def item(self, item_id: Id, replica: ReplicaPart) -> answers.Item:
        """Return what the service knows of an item."""
        name = id_of(item_id)
        row, described = replica.items.row(name), replica.catalog.get(name)
        events = replica.items.count(row) if row is not None else 0
        return answers.Item(name, row is not None, events, described)

    @get("/items/{item_id:str}/similar", sync_to_thread=False)
    def similar(self, item_id: Id, wished: Wished, selection: SelectionPart) -> answers.Items:
        """Return the items whose factors are nearest."""
        return answers.Items(selection.similar(id_of(item_id), wished))

    @get("/items/{item_id:str}/next", sync_to_thread=False)
    def following(self, item_id: Id, wished: Wished, selection: SelectionPart) -> answers.Items:
        """Return the items that most often came next."""
        return answers.Items(selection.following(id_of(item_id), wished))

    @get("/boards", sync_to_thread=False)
    def boards(self, selection: SelectionPart) -> answers.Boards:
        """Return the names of all boards."""
        return answers.Boards(selection.boards())

    @get("/boards/{name:str}", sync_to_thread=False)
    def board(self, name: FromPath[str], wished: Wished, selection: SelectionPart) -> answers.Items:
        """Return a board: `trending`, `popular`, `latest`, or one of the configuration's."""
        found = selection.board(id_of(name), wished)
        if found is None:
            expected = ", ".join(selection.boards())
            raise NotFoundException(f"board: expected one of {expected}, got {id_of(name)[:100]}")
        return answers.Items(found)
