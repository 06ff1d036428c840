"""The ranking objective: the components of `models.components`, learnt and listed together."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.events import BatchArrays, EventArrays, LearntArrays
from models.arrays.items import SIZE, Lookup
from models.arrays.lesson import Lesson
from models.arrays.users import UserArrays
from models.arrays.weights import PopularArrays, TunedArrays
from models.arrays.work import Knobs, Scratch, Work
from models.columns.accepted import AcceptedBatch
from models.columns.learnt import Learnt
from models.columns.lists import Recommended
from models.columns.users import Users
from models.components import COMPONENTS, POPULARITY
from models.factors.part import look_all
from models.items.differences import add_batch
from models.items.table import Items
from models.lists import Lists, blocks, fill_empty
from models.neighbours.sequences import leads_of
from models.params.neighbours import NeighbourParams
from models.params.ranking import RankingParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from models.popularity import part as popularity
from models.ranking.events import apply_events, learn_events
from models.ranking.listing import list_block, recommendable
from models.ranking.ranks import RANKED
from models.ranking.shortlist import SLACK, list_all
from models.users.history import empty_window, open_window, pack, unpack
from models.weights.knobs import TunedKnobs
from models.weights.popularity import PopularityWeights

SHORT_FROM = 1 << 13
"""Items from which on lists are made without a look at every item; of fewer, looking is cheaper."""
_NO_EVENTS = np.empty(0, np.int64)
_NO_CONSTANTS = np.empty(0, np.float32)
_NO_PRODUCTS = np.empty((0, 0), np.float32)


class Ranking:
    """Learns what comes next and recommends it; see `models.components` and the rooms of its parts.

    Parameters
    ----------
    params : RankingParams
    users : UserParams
    transitions : TransitionParams
    neighbours : NeighbourParams, optional
        Without, the model has none.
    weights : PopularityWeights, optional
        Without, popularity is no part of the model.
    tuned : TunedKnobs, optional
        Without, all knobs stay what the parameters say.

    Examples
    --------
    >>> from models.example import Example
    >>> from models.params.ranking import MODELS
    >>> rows = [
    ...     ("ann", "tea", "view", 0), ("ann", "cup", "view", 20), ("ann", "pot", "purchase", 40),
    ...     ("ben", "tea", "view", 60), ("ben", "cup", "view", 80), ("cat", "cup", "view", 100),
    ...     ("cat", "pot", "view", 120), ("dan", "mug", "view", 140), ("dan", "tea", "view", 160),
    ... ]
    >>> light, full = Example(MODELS["light"]), Example(MODELS["full"])
    >>> light.learn(rows)
    >>> light.recommend("dan")
    [('cup', 9.2, 'transition'), ('pot', 8.08, 'new')]
    >>> full.learn(rows)
    >>> full.recommend("dan")
    [('cup', 14.34, 'neighbours'), ('pot', 12.64, 'neighbours')]
    """

    def __init__(
        self,
        params: RankingParams,
        *,
        users: UserParams,
        transitions: TransitionParams,
        neighbours: NeighbourParams | None = None,
        weights: PopularityWeights | None = None,
        tuned: TunedKnobs | None = None,
    ) -> None:
        self._params = params
        self._users = users
        self._transitions = transitions
        self._neighbours = neighbours
        self._weights = weights
        self._tuned = tuned
        self._scratch = self._scratch_of(0)
        self.ranked = float(RANKED)
        """Items beyond which fewer of the users' events are ranked; evaluations want them all."""
        self.taught = 1 << 32
        """For evaluations: lower halves of users' keys below which their ranked events teach the
        weights of popularity and of the deep model; by default all."""

    def learn(self, items: Items, users: Users, lesson: Lesson) -> Learnt:
        """Learn accepted events in order; users are updated in place.

        An event of weight > 0 is ranked (scored ones of users with a past only), learnt, counted,
        and becomes the newest of the user's history; a repeated item moves there. One of weight
        < 0 joins the exclusions.
        """
        events, bucket, many = lesson.events, lesson.bucket, len(lesson)
        items.neighbours.make_room(many if self._neighbours else 0)
        # where rows travel as differences, nobody else needs the user's factors
        factors = users.factors[:, :0] if self._params.context else users.factors.copy()
        work = self._work(items, users, lesson.deep)
        work = work._replace(until=items.until(bucket, events.coordinate))
        if self._weights:
            work = work._replace(popular=self._weights.of(bucket))
        if self._tuned:
            work = work._replace(tuned=self._tuned.of(bucket))
        context, context_start = pack(work.window)
        pairs = 0 if self._params.context else self._params.negatives
        out = LearntArrays.empty(many, negatives=pairs, gradients=pairs and 1 + pairs)
        out.user[:] = events.user
        columns, done = EventArrays.of(events, lesson.gap), -1
        if self._neighbours:
            lead = np.empty(len(users), np.int32)
            leads_of(items.neighbours.arrays, users.key, users.positives, lead)
            out.position[:] = lead[events.user]
        while done < many:
            items.transitions.make_room(items.transitions.reserve)
            work = work._replace(transitions=items.transitions.arrays)
            done = learn_events(
                max(done, 0), columns, lesson.rows, lesson.fresh, lesson.scored, work, out
            )
        if self._tuned:
            self._tuned.move()
        return Learnt(
            context=context, context_start=context_start, factors=factors, **out._asdict()
        )

    def apply(
        self,
        items: Items,
        batch: AcceptedBatch,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        owned: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn the item side of a micro-batch that another worker accepted.

        Parameters
        ----------
        rows : int32[D]
            `items.rows(batch.keys)`.
        fresh : bool[n]
            Events that were not applied before; the others still are context.
        owned : bool[D], optional
            Keys whose rows are to be changed, by default all.
        """
        columns = BatchArrays.of(batch, rows, owned, items.until(batch.bucket, batch.coordinate))
        window = empty_window(len(batch.context_start) - 1, self._transitions.window)
        unpack(window, columns.context, columns.context_start)
        items.neighbours.make_room(len(batch) if self._neighbours else 0)
        knobs, done = self._knobs(items), -1
        while done < len(batch):
            items.transitions.make_room(items.transitions.reserve)
            done = apply_events(
                max(done, 0),
                columns,
                fresh,
                window,
                items.arrays,
                items.transitions.arrays,
                items.neighbours.arrays,
                knobs,
            )
        if len(batch.moved) and fresh.any():
            radius = self._params.radius
            add_batch(items.arrays, batch, rows, owned, columns.until, radius)

    def recommend(self, items: Items, users: Users, k: int, deep: DeepArrays) -> Recommended:
        """Return the k best items of every user, over the whole catalogue.

        The user's past and exclusions are left out, and items without an id or an event. Users
        whose last items say nothing get trending items, then popular ones.

        Parameters
        ----------
        deep : DeepArrays
            What the deep model says of every user now.
        """
        out = Recommended.empty(len(users), k)
        if deep.weight == 0:
            deep = DeepArrays.none()  # no scores of all items that count for nothing
        work = self._work(items, users, deep)
        if len(deep.y) or items.size < SHORT_FROM:
            lists = self._list_all_items(work, out)
        else:
            lists = Lists.of(out, _NO_CONSTANTS)
            list_all(_newest(users), SLACK, work, lists)
        fill_empty(work.users, work.items, work.scratch, lists, work.fallback, alone=items.private)
        return out

    def _list_all_items(self, work: Work, out: Recommended) -> Lists:
        """Fill the lists from the scores of all items by all components; return them."""
        a, deep, size = work.items, work.deep, int(work.items.counters[SIZE])
        if self._weights and len(out.rows):
            newest = _newest(work.users)
            popularity.fill_all(a, newest, work.scratch.parts[POPULARITY])
        lists = Lists.of(out, recommendable(a))
        scalar = len(deep.y) > 0 and not len(deep.output)
        z = np.empty_like(work.users.factors)
        look_all(work, z)
        for begin, products in blocks(z, a.factors[:size]):
            y = deep.y[begin : begin + len(products)]
            deep_products = y @ deep.targets[:size].T if scalar else _NO_PRODUCTS
            list_block(begin, products, deep_products, work, lists)
        return lists

    def _work(self, items: Items, users: Users, deep: DeepArrays) -> Work:
        """Return all that kernels need, with each user's window filled."""
        if len(self._scratch.mark) < len(items.arrays.keys):
            self._scratch = self._scratch_of(len(items.arrays.keys))
        served = self._served
        self._scratch.weights[:] = (
            1,
            served.factors_weight,
            served.neighbour_weight if self._neighbours else 0,
            deep.weight,
            0,
        )
        columns = UserArrays.of(users)
        window = empty_window(len(users), self._transitions.window)
        open_window(window, Lookup.of(items.arrays), users.history, users.history_length)
        return Work(
            users=columns,
            window=window,
            items=items.arrays,
            transitions=items.transitions.arrays,
            neighbours=items.neighbours.arrays,
            scratch=self._scratch,
            knobs=self._knobs(items),
            deep=deep,
            until=items.until(0, _NO_EVENTS),
            fallback=items.trending_rows(),
            popular=self._weights.serving if self._weights else PopularArrays.none(),
            tuned=TunedArrays.none(),
        )

    @property
    def _served(self) -> RankingParams:
        """The parameters that scores are made with."""
        return self._tuned.served if self._tuned else self._params

    def _scratch_of(self, rows: int) -> Scratch:
        recent = self._neighbours.recent if self._neighbours else 0
        params = self._params
        window = self._transitions.window
        return Scratch.of_size(
            rows, params.factors, COMPONENTS, params.negatives, recent, window,
            tuned=self._tuned is not None,
        )  # fmt: skip

    def _knobs(self, items: Items) -> Knobs:
        params = self._params
        return Knobs(
            rate=params.rate,
            bias_rate=params.bias_rate,
            decay=params.decay,
            radius=params.radius,
            smoothing=params.smoothing,
            context=params.context,
            context_decay=params.context_decay,
            window_decay=self._transitions.decay,
            backward=self._transitions.backward,
            source_decay=self._served.source_decay,
            source_norm=self._served.source_norm,
            repeats=self._transitions.repeats,
            neighbour_smoothing=self._neighbours.smoothing if self._neighbours else 0.0,
            seed=params.seed,
            reserve=items.transitions.reserve,
            strong=self._users.strong,
            ranked=self.ranked,
            taught=self.taught,
        )


def _newest(users: Users | UserArrays) -> int:
    """Return the event time of lists, ms: that of the newest event of any of the users."""
    return int(users.session_last.max()) if len(users.session_last) else 0
