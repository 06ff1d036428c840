"""Examples: an objective that is taught rows of (user, item, event type or rating, seconds).

It is for docstrings and tests: what the job makes of records, it makes of tuples, and the objective
that learns them and recommends is the real one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.columns.events import Events
from models.columns.learnt import Learnt
from models.columns.users import Users
from models.items.table import HALF_LIFE_MS, Items
from models.keys import key_of
from models.numeric.initial import initial_factors
from models.objective import Objective
from models.params.events import WEIGHTS
from models.params.neighbours import NeighbourParams
from models.params.ranking import MODELS, RankingParams
from models.params.rating import KalmanParams, RatingParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from models.ranking.model import Ranking
from models.rating.ekf import FilteredRating, start_of
from models.rating.model import Rating
from models.users.history import gaps_of
from models.users.past import ALWAYS
from models.weights.knobs import TunedKnobs
from models.weights.popularity import PopularityWeights

Row = tuple[str, str, str | float, int]
"""User, item, type of the event or a rating, and its time in seconds."""

REASONS = (
    "transition", "factors", "trending", "popular", "new", "deep", "neighbours", "explored",
)  # fmt: skip
"""Names of the reasons of `models.columns`, in the order of their numbers."""
NEIGHBOURS = NeighbourParams(sequences=64, kept=1 << 12)
"""Room for the sequences of a few users."""
_DEVIATION = 0.05
"""Standard deviation of the factors of a new user."""


class Example:
    """Teach an objective a few events, and ask it what it recommends or predicts.

    Parameters
    ----------
    params : RankingParams, RatingParams or KalmanParams
        What the objective is made with: they also say which one it is.
    users : UserParams
    transitions : TransitionParams
    neighbours : NeighbourParams
        They count where the ranking gives neighbours a weight.

    Attributes
    ----------
    objective : Objective
    items : Items
    users : Users
        Everybody who was met, in the order of `names`.
    names : list of str
    learnt : Learnt
        What the rows learnt last left behind.

    Examples
    --------
    >>> example = Example()
    >>> example.learn([("ann", "tea", "view", 0), ("ann", "cup", "purchase", 60)])
    >>> example.learn([("ben", "tea", "view", 90)])
    >>> [item for item, score, reason in example.recommend("ben")]
    ['cup']
    """

    learnt: Learnt

    def __init__(
        self,
        params: RankingParams | RatingParams | KalmanParams = MODELS["light"],
        *,
        users: UserParams | None = None,
        transitions: TransitionParams | None = None,
        neighbours: NeighbourParams = NEIGHBOURS,
    ) -> None:
        users, transitions = users or UserParams(), transitions or TransitionParams()
        sequences = None
        if isinstance(params, RankingParams):
            sequences = neighbours if params.neighbour_weight > 0 else None
        self.objective = _objective(params, users, transitions, sequences)
        self.items = _items(params, transitions, sequences)
        self._params = params
        self._widths = _widths(params, users)
        self.users, self.names = Users.new(0, self._widths), list[str]()
        self._next = 0

    def learn(self, rows: Sequence[Row]) -> None:
        """Learn rows as one micro-batch, in the order given; each is ranked or predicted first."""
        user = self._meet(row[0] for row in rows)
        events = events_of(rows, user, first=self._next)
        self._next += len(rows)
        ranking = isinstance(self._params, RankingParams)
        teaches = events.weight > 0 if ranking else ~np.isnan(events.value)
        named = self.items.rows(events.item[teaches])
        self.items.name(named, [rows[n][1] for n in np.flatnonzero(teaches).tolist()])
        self.learnt = self._learn(self.users, events, fresh=True)
        np.maximum.at(self.users.session_last, user, events.time)

    def recommend(
        self, user: str, k: int = 3, *, deep: DeepArrays | None = None
    ) -> list[tuple[str, float, str]]:
        """Return item, score and reason of the k best items of a user, the best first.

        Parameters
        ----------
        user : str
        k : int
        deep : DeepArrays, optional
            What a deep model says of this user, its `y` being one row; without, there is none.
        """
        one = self._one(user)
        found = self.objective.recommend(self.items, one, k, deep or DeepArrays.none())
        columns = (found.rows[0].tolist(), found.scores[0].tolist(), found.reasons[0].tolist())
        return [
            (self.items.id_of(row) or "", round(score, 2), REASONS[reason])
            for row, score, reason in zip(*columns, strict=True)
            if row >= 0
        ]

    def predict(self, user: str, item: str) -> float:
        """Return what a user is expected to rate an item; NaN where nobody has rated it.

        A copy of the user learns a rating of it, and says what it had expected. Nothing changes.
        """
        if isinstance(self._params, RankingParams):
            message = "Example.predict: expected a model of ratings, got one that ranks"
            raise TypeError(message)
        rating, one = self._params.highest, self._one(user)
        second = int(one.session_last[0]) // 1000
        events = events_of([(user, item, rating, second)], np.zeros(1, np.int32), first=self._next)
        error = self._learn(one, events, fresh=False).error
        return round(rating - float(error[0]), 2)

    def _one(self, user: str) -> Users:
        at = self._meet([user])  # before: somebody new has no row yet
        return self.users.take(at)

    def _learn(self, users: Users, events: Events, *, fresh: bool) -> Learnt:
        positive = (events.weight > 0) & events.counts
        lesson = Lesson(
            events=events,
            rows=self.items.rows(events.item, register=False),
            bucket=0,
            fresh=np.full(len(events), fresh),
            scored=np.ones(len(events), np.bool_),
            gap=gaps_of(events.user, positive, events.time, users.last_positive),
            deep=DeepArrays.none(),
        )
        return self.objective.learn(self.items, users, lesson)

    def _meet(self, names: Iterable[str]) -> NDArray[np.int32]:
        """Return the places of users, who get one where they are new."""
        wanted = list(names)
        new = [name for name in dict.fromkeys(wanted) if name not in self.names]
        if new:
            before, params = len(self.names), self._params
            self.names += new
            users = Users.new(len(self.names), self._widths)
            for one in fields(Users):
                getattr(users, one.name)[:before] = getattr(self.users, one.name)
            keys = users.key[before:]
            keys[:] = [key_of(name) for name in new]
            users.factors[before:] = initial_factors(keys, params.seed, params.factors, _DEVIATION)
            self.users = users
        return np.array([self.names.index(name) for name in wanted], np.int32)


def events_of(rows: Sequence[Row], user: NDArray[np.int32], *, first: int = 0) -> Events:
    """Return the events that rows tell of; offsets count from `first`.

    >>> events_of([("ann", "tea", "view", 1), ("ann", "tea", 4.5, 2)], np.zeros(2, np.int32)).value
    array([nan, 4.5], dtype=float32)
    """
    kinds = [row[2] for row in rows]
    number = np.arange(first, first + len(rows), dtype=np.int64)
    time = np.array([1000 * row[3] for row in rows], np.int64)
    ratings = [np.nan if isinstance(kind, str) else kind for kind in kinds]
    return Events(
        user=user,
        item=np.array([key_of(row[1]) for row in rows], np.uint64),
        identity=number.astype(np.uint64),
        content=np.ones(len(rows), np.uint32),
        subject=(2 * number + 1).astype(np.uint32),
        weight=np.array(
            [WEIGHTS[kind if isinstance(kind, str) else "rating"] for kind in kinds], np.float32
        ),
        value=np.array(ratings, np.float32),
        time=time,
        published=time,
        coordinate=number,
        hide=np.full(len(rows), ALWAYS),
        counts=np.ones(len(rows), np.bool_),
        moves=np.ones(len(rows), np.bool_),
    )


def _objective(
    params: RankingParams | RatingParams | KalmanParams,
    users: UserParams,
    transitions: TransitionParams,
    neighbours: NeighbourParams | None,
) -> Objective:
    if isinstance(params, KalmanParams):
        return FilteredRating(params, users=users)
    if isinstance(params, RatingParams):
        return Rating(params, users=users)
    return Ranking(
        params,
        users=users,
        transitions=transitions,
        neighbours=neighbours,
        weights=PopularityWeights() if params.popularity else None,
        tuned=TunedKnobs(params) if params.adaptive else None,
    )


def _items(
    params: RankingParams | RatingParams | KalmanParams,
    transitions: TransitionParams,
    neighbours: NeighbourParams | None,
) -> Items:
    return Items(
        factors=params.factors,
        transitions=transitions,
        limit=1 << 10,
        seed=params.seed,
        half_life_ms=HALF_LIFE_MS,
        context=_is_context(params),
        neighbours=neighbours,
        start=start_of(params) if isinstance(params, KalmanParams) else None,
        radius=params.radius,
    )


def _is_context(params: RankingParams | RatingParams | KalmanParams) -> bool:
    """Return whether items have factors as context."""
    if isinstance(params, KalmanParams):
        return params.history > 0
    return isinstance(params, RankingParams) and params.context > 0


def _widths(
    params: RankingParams | RatingParams | KalmanParams, users: UserParams
) -> dict[str, int]:
    """Return the widths of the lists of users, see `models.columns.users.Users.new`."""
    filtered = isinstance(params, KalmanParams)
    return {
        "factors": params.factors,
        "history": users.history,
        "past": users.past,
        "past_until": users.past if users.timed else 0,
        "deep": 0,
        "excluded": users.exclusions,
        "recent": 1,
        "variance": params.factors + 1 if filtered else 0,
        "mood": 3 if filtered else 0,
        "rated": params.history if isinstance(params, KalmanParams) else 0,
    }
