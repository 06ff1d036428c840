"""Lists of users and guests."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
from litestar import Controller, get, post
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from litestar.response import ServerSentEvent

from jobs.serve import answers
from jobs.serve.paths import id_of
from jobs.serve.replica.replica import Replica
from jobs.serve.routes.parts import ReplicaPart, SelectionPart, SenderPart, Wished
from jobs.serve.routes.wishes import MOST, Id, Shown
from jobs.serve.selection import Selection
from jobs.serve.wish import Wish

_BEAT_SECONDS = 15
"""Time after which a silent stream says that it is there."""


class Users(Controller):
    """Routes of users, and of guests."""

    path = "/v1"
    tags = ("users",)

    @get("/users/{user_id:str}/recommendations", sync_to_thread=False)
    def recommendations(
        self,
        user_id: Id,
        wished: Wished,
        selection: SelectionPart,
        sender: SenderPart,
        shown: Shown = False,  # a parameter of the address
    ) -> answers.Recommended:
        """Return a user's newest list, filled up where it is short."""
        if shown and not sender.takes_impressions:
            detail = "shown: expected an event type of impressions with a weight, got none"
            raise HTTPException(status_code=400, detail=f"{detail}; see feedback.impression_type")
        found = selection.for_user(id_of(user_id), wished)
        if shown:
            sender.show(found)
        return found

    @post("/recommendations", status_code=200, sync_to_thread=False)
    def guest(self, data: JSONBody[answers.Guest], selection: SelectionPart) -> answers.Items:
        """Return a list for somebody without an id, from the items of a visit, newest first."""
        if not 1 <= data.n <= MOST:
            raise HTTPException(status_code=400, detail=f"n: expected 1 to {MOST}, got {data.n}")
        any_of = (data.category,) if isinstance(data.category, str) else data.category or ()
        asked = Wish(data.n, frozenset(data.exclude), tuple(any_of), tuple(data.all))
        return answers.Items(selection.for_guest(data.items[:MOST], asked))

    @get("/users/{user_id:str}", sync_to_thread=False)
    def user(self, user_id: Id, replica: ReplicaPart, selection: SelectionPart) -> answers.User:
        """Return what the service has seen of a user lately, and the newest list."""
        name = id_of(user_id)
        events = [
            answers.SeenEvent(one.item, one.kind, one.time, replica.catalog.get(one.item))
            for one in replica.behaviour.of(name)
        ]
        found = replica.lists.get(name)
        newest = selection.for_user(name, Wish(described=True)) if found else None
        return answers.User(name, events, newest)

    @get("/users/{user_id:str}/stream")
    async def stream(
        self, user_id: Id, wished: Wished, replica: ReplicaPart, selection: SelectionPart
    ) -> ServerSentEvent:
        """Push the newest list at once, and then each new one, as server-sent events `list`.

        Items are as with `include=items`.
        """
        described = replace(wished, described=True)
        return ServerSentEvent(_lists(replica, selection, id_of(user_id), described))


async def _lists(
    replica: Replica, selection: Selection, user: str, wished: Wish
) -> AsyncIterator[dict[str, str | None]]:
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def notify() -> None:
        loop.call_soon_threadsafe(changed.set)

    end = replica.listen(user, notify)
    try:
        while True:
            changed.clear()
            found = selection.for_user(user, wished)
            yield {"event": "list", "data": msgspec.json.encode(found).decode()}
            while not changed.is_set():
                try:
                    await asyncio.wait_for(changed.wait(), _BEAT_SECONDS)
                except TimeoutError:
                    # no data: an empty event would be one, for clients that take them all
                    yield {"comment": "still here", "data": None}
    finally:
        end()
