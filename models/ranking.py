"""The ranking objective: item transitions and pairwise matrix factorisation."""

import numpy as np
from numpy.typing import NDArray

from models.arrays import (
    BatchArrays,
    EventArrays,
    LearntArrays,
    Scratch,
    UserArrays,
)
from models.columns import AcceptedBatch, Events, Learnt, Recommended, Users
from models.history import empty_window, open_window, pack, unpack
from models.items import Items
from models.pairwise import Knobs, apply_events, learn_events
from models.params import RankingParams, TransitionParams, UserParams
from models.popularity import most_popular
from models.rehearsal import rehearse
from models.scoring import constant_scores, recommend_block

_BLOCK = 1 << 18
"""Scores computed by one matrix product; 1 MB, so that they stay in the processor's cache."""


class Ranking:
    """Learns what comes next and recommends it; equations in `models.scoring` and `.pairwise`.

    Parameters
    ----------
    params : RankingParams
    users : UserParams
    transitions : TransitionParams
    """

    def __init__(
        self, params: RankingParams, *, users: UserParams, transitions: TransitionParams
    ) -> None:
        self._params = params
        self._users = users
        self._transitions = transitions
        self._scratch = Scratch.for_rows(0)

    def warm_up(self) -> None:
        """Compile all that learning and recommending run, or load it from the cache."""
        rehearse(self, self._params.factors, self._users, self._transitions)

    def learn(
        self,
        items: Items,
        users: Users,
        events: Events,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        sampled: NDArray[np.bool_],
    ) -> Learnt:
        """Learn accepted events in order, event by event; users are updated in place."""
        columns = UserArrays.of(users)
        window = empty_window(len(users), self._transitions.window)
        open_window(window, items.arrays, columns)
        context, context_start = pack(window)
        factors = users.factors.copy()
        out = LearntArrays.empty(len(rows), self._params.negatives)
        pull = np.empty((1, factors.shape[1]), np.float32)
        done = -1
        while done < len(rows):
            items.transitions.make_room(items.transitions.reserve)
            done = learn_events(
                max(done, 0),
                EventArrays.of(events),
                rows,
                fresh,
                sampled,
                columns,
                window,
                items.arrays,
                items.transitions.arrays,
                self._memory(items),
                self._knobs(items),
                out,
                pull,
            )
        return Learnt(context=context, context_start=context_start, factors=factors, **out._asdict())

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
        columns = BatchArrays.of(batch, rows, owned)
        window = empty_window(len(batch.context_start) - 1, self._transitions.window)
        unpack(window, columns.context, columns.context_start)
        knobs, done = self._knobs(items), -1
        while done < len(batch):
            items.transitions.make_room(items.transitions.reserve)
            done = apply_events(
                max(done, 0), columns, fresh, window, items.arrays, items.transitions.arrays, knobs
            )

    def recommend(
        self, items: Items, users: Users, k: int, fallback: NDArray[np.int32]
    ) -> Recommended:
        out = Recommended.empty(len(users), k)
        columns, size = UserArrays.of(users), items.size
        window = empty_window(len(users), self._transitions.window)
        open_window(window, items.arrays, columns)
        constants = constant_scores(items.arrays)
        popular = most_popular(items.arrays, k + users.history.shape[1] + users.excluded.shape[1])
        block = max(1, _BLOCK // max(1, size))
        for begin in range(0, len(users), block):
            recommend_block(
                begin,
                users.factors[begin : begin + block] @ items.arrays.factors[:size].T,
                constants,
                fallback,
                popular,
                columns,
                window,
                items.arrays,
                items.transitions.arrays,
                self._memory(items),
                self._transitions.decay,
                self._params.smoothing,
                (out.rows, out.scores, out.reasons, out.sources),
            )
        return out

    def _memory(self, items: Items) -> Scratch:
        """Return scratch memory for as many rows as the items have room for."""
        if len(self._scratch.mark) < len(items.arrays.keys):
            self._scratch = Scratch.for_rows(len(items.arrays.keys))
        return self._scratch

    def _knobs(self, items: Items) -> Knobs:
        return Knobs(
            rate=self._params.rate,
            bias_rate=self._params.bias_rate,
            decay=self._params.decay,
            radius=self._params.radius,
            smoothing=self._params.smoothing,
            window_decay=self._transitions.decay,
            seed=self._params.seed,
            reserve=items.transitions.reserve,
        )
