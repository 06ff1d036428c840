"""Behaviour that looks like people shopping: input for demonstrations, tests and benchmarks.

The world
    Items stand in clusters (genres). Within a cluster they have a rank of popularity, drawn from by
    Zipf's law, and a place on a ring, the order in which people tend to take them (episodes of a
    series, accessories of a device). A user prefers one cluster, then a second one.
A session
    A user takes a few items one after the other. With probability `follow` the next one stands 1, 2
    or 3 places further on the ring; otherwise it is drawn by popularity from a cluster the user
    likes, or from any with probability `explore`. Items the user took lately are skipped.
    Many sessions run at once; a user's next one comes after a gap.
What changes
    Ranks of popularity swap all the time, every `birth` events a new item takes the place of an
    unpopular one, and users move on to new clusters.

So popularity alone explains little, the order of items much, and a model that stops learning gets
worse. Everything follows from the seed: the same one gives the same events, in blocks of any size.

>>> first, second = Generator(GeneratorParams(seed=7)), Generator(GeneratorParams(seed=7))
>>> bool((first.block(100).item == second.block(100).item).all())
True
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

EVENT_TYPES = (
    "view", "click", "favorite", "add_to_cart", "purchase", "rating", "dislike", "remove",
    "impression",
)  # fmt: skip
"""Names of the event types, by their number in `Behaviour.event_type`."""

_SHARES = np.cumsum((0.62, 0.14, 0.06, 0.06, 0.04, 0.04, 0.01, 0.01, 0.02))
_RATING = EVENT_TYPES.index("rating")
_LATEST = 32
"""Items of a user that are not taken again."""
_DRAWS = 18
"""Uniform random numbers an event consumes: always all, so that blocks can be cut anywhere."""
_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorParams:
    """The world's size and habits.

    Raises
    ------
    ValueError
        For a world that cannot exist.
    """

    seed: int = 1
    start_ms: int = 1_700_000_000_000
    """Event time of the first event."""
    events_per_second: float = 5.0
    """Pace of event time: the density of sessions, not the speed of a replay."""
    users: int = 20_000
    clusters: int = 40
    places: int = 100
    """Items of a cluster on offer at the same time."""
    zipf: float = 1.0
    """Exponent of popularity inside a cluster."""
    sessions: int = 256
    """Sessions at the same time."""
    session_events: float = 8.0
    """Mean length of a session."""
    rest_ms: float = 2_700_000.0
    """Least time between two sessions of a user, where there are users enough."""
    follow: float = 0.55
    """Share of steps to a next place on the ring."""
    explore: float = 0.1
    """Share of draws from any cluster."""
    birth: int = 400
    """Events between two new items."""
    drift: float = 0.02
    """Chance of a swap of two ranks at an event, and of a new taste at the start of a session."""

    def __post_init__(self) -> None:
        """Refuse a world that cannot exist."""
        counts = min(self.users, self.clusters, self.places, self.birth, self.sessions)
        if counts < 1 or self.session_events < 1 or self.events_per_second <= 0:
            msg = f"GeneratorParams: expected positive sizes, got {self}; raise them"
            raise ValueError(msg)
        if self.users <= self.sessions:
            msg = f"GeneratorParams: expected users > sessions, got {self.users}; add users"
            raise ValueError(msg)


class Behaviour(NamedTuple):
    """A block of n events in order of time, all arrays of length n."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    event_type: NDArray[np.uint8]
    """Index into EVENT_TYPES."""
    value: NDArray[np.float32]
    """1 to 5 in halves for a rating, NaN for everything else."""
    time: NDArray[np.int64]
    """Event time, ms since 1970."""


class _World(NamedTuple):
    """All that changes; C clusters, P places, S sessions, U users."""

    item_at: NDArray[np.int32]
    """(C, P) item on a place of a cluster's ring."""
    place_of_rank: NDArray[np.int32]
    """(C, P) place of the most popular item, of the second, …"""
    taste: NDArray[np.int32]
    """(U, 2) first and second cluster of a user."""
    latest: NDArray[np.int32]
    """(U, _LATEST) items taken lately, as a ring."""
    taken: NDArray[np.int64]
    """(U,) events of a user so far."""
    free_at: NDArray[np.float64]
    """(U,) event time from which the user may start a session, ms; infinite during one."""
    sessions: NDArray[np.int32]
    """(S, 4) user (-1: none), cluster, place (-1: none yet), events left."""
    counts: NDArray[np.int64]
    """(2,) events so far, items so far."""
    clock: NDArray[np.float64]
    """(1,) event time, ms."""


class _Habits(NamedTuple):
    """All that stays."""

    zipf: NDArray[np.float64]
    """(P,) cumulated popularity by rank."""
    shares: NDArray[np.float64]
    """Cumulated shares of event types."""
    gap_ms: float
    session_events: float
    rest_ms: float
    follow: float
    explore: float
    birth: int
    drift: float


class Generator:
    """An endless stream of events.

    Parameters
    ----------
    params
        The world.
    """

    def __init__(self, params: GeneratorParams) -> None:
        self._random = np.random.default_rng(params.seed)
        self._world = _world(params, self._random)
        popularity = np.arange(1, params.places + 1, dtype=np.float64) ** -params.zipf
        self._habits = _Habits(
            zipf=np.cumsum(popularity) / popularity.sum(),
            shares=_SHARES,
            gap_ms=1000.0 / params.events_per_second,
            session_events=params.session_events,
            rest_ms=params.rest_ms,
            follow=params.follow,
            explore=params.explore,
            birth=params.birth,
            drift=params.drift,
        )

    @property
    def items(self) -> int:
        """Number of items that exist, numbered from 0 in order of their birth."""
        return int(self._world.counts[1])

    def block(self, events: int) -> Behaviour:
        """Return the next events, as many as asked for."""
        block = Behaviour(
            user=np.empty(events, np.int32),
            item=np.empty(events, np.int32),
            event_type=np.empty(events, np.uint8),
            value=np.full(events, np.nan, np.float32),
            time=np.empty(events, np.int64),
        )
        _live(self._random.random((events, _DRAWS)), self._world, self._habits, block)
        return block


def _world(params: GeneratorParams, random: np.random.Generator) -> _World:
    shape = (params.clusters, params.places)
    size = params.clusters * params.places
    ranks = np.tile(np.arange(params.places, dtype=np.int32), (params.clusters, 1))
    return _World(
        item_at=random.permutation(size).astype(np.int32).reshape(shape),
        place_of_rank=random.permuted(ranks, axis=1),
        taste=(random.random((params.users, 2)) ** 2 * params.clusters).astype(np.int32),
        latest=np.full((params.users, _LATEST), -1, np.int32),
        taken=np.zeros(params.users, np.int64),
        free_at=np.zeros(params.users, np.float64),
        sessions=np.full((params.sessions, 4), -1, np.int32),
        counts=np.array([0, size], np.int64),
        clock=np.array([float(params.start_ms)]),
    )


@compiled
def _live(draws: NDArray[np.float64], world: _World, habits: _Habits, block: Behaviour) -> None:
    """Fill the columns of a block, one event after the other; the world changes in place.

    Of an event's draws the first is for the clock, 1-4 for what changes, 5 for whose turn it is,
    6-9 for a new session, 10 and 11 for type and value, the rest for the item.
    """
    for n in range(len(block.user)):
        draw = draws[n]
        world.clock[0] -= np.log(1.0 - draw[0]) * habits.gap_ms
        _change(draw, world, habits)
        session = world.sessions[int(draw[5] * len(world.sessions))]
        if session[0] < 0:
            _arrive(draw, session, world, habits)
        who = session[0]
        what = _take(draw, session, world, habits)
        kind = np.searchsorted(habits.shares[:-1], draw[10], side="right")
        if kind == _RATING:
            lowest = 3.0 if session[1] == world.taste[who, 0] else 1.0
            block.value[n] = lowest + 0.5 * int(5 * draw[11])
        block.user[n], block.item[n], block.event_type[n] = who, what, kind
        block.time[n] = int(world.clock[0])
        world.latest[who, world.taken[who] % _LATEST] = what
        world.taken[who] += 1
        session[3] -= 1
        if session[3] <= 0:
            world.free_at[who] = world.clock[0] + habits.rest_ms
            session[0] = -1


@compiled
def _change(draw: NDArray[np.float64], world: _World, habits: _Habits) -> None:
    """Let ranks swap and items come: the world never stands still."""
    clusters, places = world.item_at.shape
    cluster = int(draw[1] * clusters)
    order = world.place_of_rank[cluster]
    rank, other = int(draw[2] * places), int(draw[4] * places)
    if draw[3] < habits.drift:
        order[rank], order[other] = order[other], order[rank]
    world.counts[0] += 1
    if world.counts[0] % habits.birth == 0:
        # the new item takes the least popular place and starts in the better half of the ranks
        order[places - 1], order[rank // 2] = order[rank // 2], order[places - 1]
        world.item_at[cluster, order[rank // 2]] = world.counts[1]
        world.counts[1] += 1


@compiled
def _arrive(
    draw: NDArray[np.float64], session: NDArray[np.int32], world: _World, habits: _Habits
) -> None:
    """Start the session of a rested user; low numbers come far more often than high ones."""
    users, taste = len(world.taste), world.taste
    who = int(draw[6] * draw[6] * users)
    for _ in range(users):
        if world.free_at[who] <= world.clock[0]:
            break
        who = (who + 1) % users
    while world.free_at[who] == np.inf:  # nobody is rested: anyone who is not in a session
        who = (who + 1) % users
    world.free_at[who] = np.inf
    if draw[7] < habits.drift:
        taste[who, 1] = taste[who, 0]
        taste[who, 0] = int(draw[8] * draw[8] * len(world.item_at))
    session[0], session[1], session[2] = who, -1, -1
    session[3] = 1 + int(-np.log(1.0 - draw[9]) * (habits.session_events - 0.5))


@compiled
def _take(
    draw: NDArray[np.float64], session: NDArray[np.int32], world: _World, habits: _Habits
) -> int:
    """Move the session to its next cluster and place, and return the item there."""
    clusters, places = world.item_at.shape
    who, what = session[0], -1
    for attempt in range(_ATTEMPTS):
        choice, other = draw[12 + 2 * attempt], draw[13 + 2 * attempt]
        if session[2] >= 0 and choice < habits.follow:
            # a step of 1 is the usual one, 2 and 3 are rarer
            session[2] = (session[2] + 1 + int(3.0 * other * other)) % places
        else:
            if session[2] >= 0:
                choice = (choice - habits.follow) / (1.0 - habits.follow)
            cluster = _cluster(choice, world.taste[who], clusters, habits.explore)
            rank = np.searchsorted(habits.zipf[:-1], other, side="right")
            session[1], session[2] = cluster, world.place_of_rank[cluster, rank]
        what = int(world.item_at[session[1], session[2]])
        if not np.any(world.latest[who] == what):
            break
    return what


@compiled
def _cluster(choice: float, taste: NDArray[np.int32], clusters: int, explore: float) -> int:
    """Return a cluster the user likes, or now and then any."""
    if choice < explore:
        return int(choice / explore * clusters)
    likes_first = choice < explore + (1.0 - explore) * 0.7
    return int(taste[0] if likes_first else taste[1])
