"""One worker of all buckets, and the topic `control` that it reads and writes."""

import json
from dataclasses import replace
from typing import Any

from models.columns.users import Users
from models.keys import bucket_of
from models.params.events import EventPolicy
from state.keyed import gates
from state.keyed.descriptors import GATES_ENTRY, entry_of
from state.users.state import UserState
from tests.builders import NOW, Record, event, learn_users, learning
from tests.harness import Clock, Learned, Savepoint, UsersSubtask

BUCKETS = 4
GUEST, USER, OTHER = "guest-7", "anna", "ben"
QUIET = 3_500
ELSEWHERE = next(u for u in "abcdefgh" if bucket_of(u, BUCKETS) != bucket_of(GUEST, BUCKETS))


class Job:
    """One worker of all buckets, and the topic `control` that it reads and writes."""

    def __init__(self, name: str = "full", state: Savepoint | None = None, **changes: Any) -> None:
        self.params = learn_users(
            learning=learning(objective=name),
            policy=EventPolicy(buckets=BUCKETS, max_bytes=2_000),
            deep=changes.pop("deep", False),
            **changes,
        )
        self.users = UsersSubtask(self.params, Clock(NOW), state)
        self.offset, self.placed = 0, 0
        self.control: list[tuple[bytes, bytes]] = []
        self.answers: list[dict[str, Any]] = []
        self.lists: dict[str, dict[str, Any] | None] = {}
        self.feedback: list[dict[str, Any]] = []
        self.messages: list[bytes] = []

    def restarted(self, **changes: Any) -> "Job":
        """Return the job as it goes on from its state, with other parameters."""
        again = Job(state=self.users.savepoint())
        again.params, again.offset, again.placed = self.params, self.offset, self.placed
        again.params = replace(self.params, **changes)
        again.users = UsersSubtask(again.params, Clock(self.users.clock.now_ms),
                                   self.users.savepoint())  # fmt: skip
        again.control = list(self.control)
        return again

    def send(self, *records: Record, late: int = 0) -> None:
        """Let records be learnt, which were written some time ago, ms."""
        for one in records:
            now = self.users.clock.now_ms - late
            placed = replace(one, offset=self.offset, published=now)
            self.offset += 1
            user = json.loads(one.value or b"")["user_id"]
            self.note(self.users.take([placed], bucket=bucket_of(user, BUCKETS)))

    def order(self, name: str, value: Any, published: int | None = None) -> None:
        encoded = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.control.append((name.encode(), encoded))
        self.read(published)

    def merge(self, guest: str = GUEST, user: str = USER, name: str = "m") -> None:
        self.order(name, {"command": "merge_user", "from": guest, "to": user})

    def read(self, published: int | None = None) -> None:
        """Take what waits in `control`."""
        while self.placed < len(self.control):
            key, value = self.control[self.placed]
            self.placed += 1
            found = json.loads(value)
            named = ("route", "user", "from")
            fields = found if isinstance(found, dict) else {}
            user = next((fields[name] for name in named if fields.get(name)), "")
            at = self.users.clock.now_ms if published is None else published
            record = Record(key, value, offset=-1 - self.placed, published=at)
            self.note(self.users.take([record], bucket=bucket_of(user, BUCKETS)))

    def idle(self, milliseconds: int = QUIET) -> None:
        for learned in self.users.idle(milliseconds):
            self.note(learned)
        self.read()

    def note(self, learned: Learned) -> None:
        self.control += [(one.k, one.v) for one in learned.row.orders]
        self.answers += [json.loads(one.v) for one in learned.row.answers]
        self.feedback += [json.loads(one.v) for one in learned.row.feedback]
        self.messages += learned.messages
        for one in learned.row.recommendations:
            self.lists[one.k.decode()] = None if one.v is None else json.loads(one.v)

    def record(self, user: str, name: str | None = None) -> Users | None:
        """Return what is kept of a user, who may be called by another name."""
        bucket = bucket_of(user, BUCKETS)
        value = self.users.remembered(bucket=bucket).get(entry_of(name or user))
        if value is None:
            return None
        params = self.params.learning
        state = UserState(params.users, params.factors, params.seed, variances=params.variances,
                          rated=params.rated)  # fmt: skip
        return state.decode([value], [user])

    def gates(self, user: str) -> gates.Gates:
        bucket = bucket_of(user, BUCKETS)
        return gates.decode(self.users.remembered(bucket=bucket).get(GATES_ENTRY))


def items_of(users: Users | None) -> list[int]:
    assert users is not None
    return users.history[0, : users.history_length[0]].tolist()


def views(user: str, *items: str, begin: int = 0) -> list[Record]:
    return [event(user, item, at=NOW - 1_000 + begin + n) for n, item in enumerate(items)]
