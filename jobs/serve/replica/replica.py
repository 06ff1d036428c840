"""All that the service knows of one job, and who waits for a user's next list."""

import time
from collections import defaultdict
from collections.abc import Callable

from conf.parameters import event_policy, name_params
from conf.schema import JobConfig
from jobs.serve.replica.behaviour import Behaviour
from jobs.serve.replica.boards import Board
from jobs.serve.replica.catalog import Catalog
from jobs.serve.replica.items import Items
from jobs.serve.replica.lists import Lists
from jobs.serve.replica.policy import unkeyed
from jobs.serve.replica.reports import Reports
from state.codec.sealed import StateError
from state.topics import availability, chunks, trending
from state.users.names import Names

Listener = Callable[[], None]


class Replica:
    """What topics say of one job; a reader fills it."""

    def __init__(self, config: JobConfig) -> None:
        self.config = config
        self.policy = unkeyed(event_policy(config))
        self.skipped = 0
        """Records of the job's own topics that this version cannot read."""
        self._listeners: dict[bytes, set[Listener]] = defaultdict(set)
        self._clear()

    def _clear(self) -> None:
        self.lists = Lists(Names(name_params(self.config)))
        self.catalog, self.reports = Catalog(), Reports()
        self.items = Items(self.config.items.half_life)
        self.boards = {name: Board(one) for name, one in self.config.serve.boards.items()}
        self.behaviour = Behaviour(self.policy, self.boards)
        self.trending: list[str] = []

    def begin_anew(self) -> None:
        """Forget everything: the topics are others now, of the same names."""
        self._clear()
        for listeners in list(self._listeners.values()):
            for listener in list(listeners):
                listener()

    def take_list(self, user: bytes, value: bytes | None) -> None:
        """Take a record of `recommendations`, and call who waits for it."""
        self.lists.take(user, value)
        for listener in list(self._listeners.get(user, ())):
            listener()

    def take_update(self, key: bytes, value: bytes | None) -> None:
        """Take a record of `model_updates`."""
        if value is None:
            return
        try:
            if key == trending.KEY:
                seen = trending.decode(value).seen
                self.trending = sorted(seen, key=lambda item: (-seen[item], item))
            elif key.startswith(b"items/"):
                self.items.take(chunks.decode(value))
            elif key.startswith(availability.KIND + b"/"):
                said = availability.decode(key, value)
                self.catalog.take_availability(said.item, said.available)
        except StateError:
            self.skipped += 1

    def take_description(self, item: bytes, value: bytes | None) -> None:
        """Take a record of `catalog`."""
        self.catalog.take(item.decode("utf-8", "replace"), value)

    def take_events(self, values: list[bytes | None]) -> None:
        """Take records of `user_behavior`."""
        self.behaviour.take(values, time.time_ns() // 1_000_000)

    def listen(self, user: str, listener: Listener) -> Callable[[], None]:
        """Call somebody at each new list of a user; return what ends that."""
        key = self.lists.called(user)[0].encode()
        self._listeners[key].add(listener)

        def end() -> None:
            self._listeners[key].discard(listener)
            if not self._listeners[key]:
                del self._listeners[key]

        return end
