"""Keys of users: what is kept of each, and for how long."""

from typing import Annotated

from pydantic import Field

from conf.section import Section
from conf.sections.types import Buckets
from conf.units import Duration, duration
from models.params.users import UserParams

_USERS = UserParams()


class UserRules(Section):
    """Bounds of what is kept of a user."""

    buckets: Buckets = Field(
        default=64,
        ge=1,
        le=32768,
        description="Groups of users that share a state key, and Flink's maximum parallelism."
        " A power of two, fixed for the life of the state.",
    )
    history: int = Field(
        default=64, ge=1, le=4096, description="Last positive items kept: what the models look at."
    )
    past: int = Field(
        default=2048,
        ge=1,
        le=16_384,
        description="Items kept that are not recommended again, 4 bytes each (8 where some come"
        " back after a time); those of purchases stay while others leave.",
    )
    recent_events: int = Field(
        default=_USERS.recent_events,
        ge=1,
        le=4096,
        description="Newest events by event time whose repeats are recognised; 20 bytes each.",
    )
    lateness: Annotated[int, Duration("1s", "365d")] = Field(
        default=_USERS.lateness_ms,
        description="An event no older than this against the user's newest is never late; an older"
        " one may be, if it is also older than the `recent_events`.",
    )
    count_window: Annotated[int, Duration("1s", "365d")] = Field(
        default=_USERS.count_window_ms,
        description="A user's further events on one item within this event time, and on one that"
        " the user knows within as much time of arrival, teach nobody else: bounded influence."
        " Ratings count once for each type.",
    )
    count_limit: int = Field(
        default=_USERS.count_limit,
        ge=16,
        le=1 << 20,
        description="Items new to a user that teach others within `count_window` of arrival.",
    )
    exclusions: int = Field(
        default=32, ge=1, le=4096, description="Last disliked or removed items kept."
    )
    ttl: Annotated[int, Duration("1m", "3650d")] = Field(
        default=duration("30d"),
        description="A user idle for longer is forgotten (processing time).",
    )
    session_gap: Annotated[int, Duration("1s", "7d")] = Field(
        default=duration("30m"),
        description="Event-time gap that ends a session; the usual web convention.",
    )
