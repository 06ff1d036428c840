"""Records, behaviour and parameters for tests: small, readable and the same in every run."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from models.columns.events import OFFSET_BITS
from models.deep.shape import Shape
from models.params.events import EventPolicy
from models.params.ranking import RankingParams
from models.params.rating import KalmanParams, RatingParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from operators.params import LearningParams, LearnItemsParams, LearnUsersParams
from scripts.tools.data.generator import EVENT_TYPES, Generator, GeneratorParams

NOW = 1_700_000_000_000
"""Processing time at which tests begin, ms."""
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Record:
    """A record of the source topic."""

    key: bytes | None
    value: bytes | None
    partition: int = 0
    offset: int = 0
    published: int = NOW

    @property
    def coordinate(self) -> int:
        """Partition and offset in one number."""
        return self.partition << OFFSET_BITS | self.offset


def event(
    user: str = "anna", item: str = "tea", kind: str = "view", at: int = NOW, **fields: Any
) -> Record:
    """Return a good event; further fields are added, and those that are None are left out."""
    content = {
        "event_id": f"{user}/{item}/{kind}/{at}",
        "user_id": user,
        "item_id": item,
        "event_type": kind,
        "timestamp": at,
    } | fields
    present = {name: value for name, value in content.items() if value is not None}
    return Record(user.encode(), json.dumps(present).encode())


def unkeyed(record: Record) -> Record:
    """Return the record as a producer without keys would send it."""
    return replace(record, key=None)


def in_order(records: Iterable[Record], *, partition: int = 0, first: int = 0) -> list[Record]:
    """Return the records with consecutive offsets of a partition."""
    return [
        replace(record, partition=partition, offset=offset)
        for offset, record in zip(count(first), records)
    ]


def behaviour(
    events: int,
    *,
    seed: int = 1,
    users: int = 40,
    items: int = 120,
    clusters: int = 4,
    sessions: int = 8,
) -> list[Record]:
    """Return events of a small generated world, in order, one partition."""
    params = GeneratorParams(
        seed=seed,
        start_ms=NOW - DAY,
        users=users,
        clusters=clusters,
        places=items // clusters,
        sessions=sessions,
    )
    block = Generator(params).block(events)
    columns = (block.user, block.item, block.event_type, block.time, block.value)
    return in_order(
        event(
            f"user-{user}",
            f"item-{item}",
            EVENT_TYPES[kind],
            at,
            event_id=f"g{seed}-{n}",
            value=None if value != value else value,  # NaN is unlike itself
        )
        for n, (user, item, kind, at, value) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        )
    )


def cut(records: Sequence[Record], sizes: Iterable[int]) -> Iterator[Sequence[Record]]:
    """Yield consecutive slices of the given sizes, and the rest as the last one."""
    begin = 0
    for size in sizes:
        if begin < len(records) and size:
            yield records[begin : begin + size]
            begin += size
    if begin < len(records):
        yield records[begin:]


USERS = UserParams(history=16, recent_events=48, lateness_ms=1000, exclusions=4)


OBJECTIVES = ("ranking", "full", "rating", "sgd")
"""What `learning` takes for the objective: ranking by the light and by the full model, ratings by
the filter and by SGD."""
TOLD: dict[str, Any] = {"delta_ms": 0, "delta_bytes_per_second": 1 << 40}
"""Learning that is told others at once and whole, where it travels as differences."""


def learning(**changes: Any) -> LearningParams:
    """Return a small model of one of OBJECTIVES."""
    match changes.get("objective"):
        case "full":
            changes = TOLD | changes | {"objective": "ranking", "ranking": FULL}
        case "rating":
            changes = TOLD | changes
        case "sgd":
            changes = {"rating": RatingParams(factors=8)} | changes | {"objective": "rating"}
    settings: dict[str, Any] = {
        "objective": "ranking",
        "users": replace(USERS, by_type=changes.get("objective") == "rating"),
        "transitions": TransitionParams(window=5, successors=200),
        "ranking": RankingParams(factors=8),
        "rating": KalmanParams(history=8),
        "deep": Shape(dim=8, width=8),
        "item_limit": 10_000,
    }
    return LearningParams(**settings | changes)


def fixed(params: LearningParams) -> LearningParams:
    """Return learning without knobs: they move between micro-batches, wherever those are cut."""
    return replace(params, ranking=replace(params.ranking, adaptive=False))


FULL = RankingParams(factors=8, negatives=4, context=3, rate=0.1, neighbour_weight=0.5)


def learn_users(**changes: Any) -> LearnUsersParams:
    """Return parameters of learn-users with one bucket, everybody sampled."""
    settings: dict[str, Any] = {
        "policy": EventPolicy(buckets=1, max_bytes=2_000),
        "learning": learning(),
        "deep": True,
        "recommend": True,
        "k": 5,
        "evaluation_share": 1.0,
        "evaluation_first": 0,
        "evaluation_k": 5,
        "trending_window_ms": 6 * HOUR,
        "trending_lateness_ms": MINUTE,
        "trending_sample": 64,
        "source_topic": "behaviour",
        "job_version": "1.2.3",
        "max_record_bytes": 960 << 10,
        "loop_topics": {},
        "user_ttl_ms": 30 * DAY,
    }
    return LearnUsersParams(**settings | changes)


def learn_items(**changes: Any) -> LearnItemsParams:
    """Return parameters of learn-items with two buckets that may publish all at once."""
    settings: dict[str, Any] = {
        "learning": learning(),
        "keys": (7, 19),
        "chunks": 8,
        "publish_interval_ms": 5_000,
        "publish_bytes_per_second": 1 << 30,
        "restore_bytes_per_second": 1 << 30,
        "max_record_bytes": 960 << 10,
    }
    return LearnItemsParams(**settings | changes)
