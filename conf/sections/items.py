"""Keys of items: what is kept of them, and how workers share it."""

from typing import Annotated

from pydantic import Field

from conf.section import Section
from conf.sections.types import Buckets
from conf.units import Duration, Size, duration, size
from models.items.table import HALF_LIFE_MS


class ItemRules(Section):
    """Bounds of what is kept of items, and how workers share it."""

    limit: int = Field(
        default=200_000,
        ge=100,
        le=50_000_000,
        description="Most items a worker holds, about 5 KB each with 400 successors; beyond, the"
        " least popular make room, an eighth at most.",
    )
    admission: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Sightings after which a new item is learnt; more than 1 keeps ids that come"
        " once out of a table that is too small.",
    )
    half_life: Annotated[int, Duration("1m", "3650d")] = Field(
        default=HALF_LIFE_MS,
        description="Event time in which an item's popularity halves: as a component of scores, for"
        " users of whom nothing is known, and for who makes room.",
    )
    successors: int = Field(
        default=400,
        ge=10,
        le=10_000,
        description="Next items kept an item; on ml-1m 200 cost 1 % of the hits, 800 bring none.",
    )
    buckets: Buckets = Field(
        default=1,
        ge=1,
        le=1024,
        description="Partitions of the item state; a power of two. Each reads all accepted events,"
        " about 3 µs an event; one is enough for some hundred thousand a second.",
    )
    chunks: int = Field(
        default=1024,
        ge=1,
        le=65_536,
        description="Records that the catalogue is published in; a changed item republishes its"
        " chunk. At least `items.buckets`.",
    )
    window: Annotated[int, Duration("100ms", "10m")] = Field(
        default=duration("5s"), description="Micro-batch of learn-items; its state lags by as much."
    )
    delta_interval: Annotated[int, Duration("0s", "10m")] = Field(
        default=duration("1s"),
        description="Time between two publications of the factors that a worker has moved.",
    )
    delta_bytes_per_second: Annotated[int, Size("1KiB", "1GiB")] = Field(
        default=size("512KiB"), description="Budget of a worker for them, oldest moves first."
    )
    publish_interval: Annotated[int, Duration("1s", "1d")] = Field(
        default=duration("30s"), description="Time between two publications of changed item rows."
    )
    publish_bytes_per_second: Annotated[int, Size("1KiB", "1GiB")] = Field(
        default=size("1MiB"),
        description="Budget of `model_updates`, so that it does not drown the loop.",
    )
    restore_bytes_per_second: Annotated[int, Size("1KiB", "1GiB")] = Field(
        default=size("32MiB"),
        description="The same after a restore, until every worker has the whole catalogue again.",
    )
