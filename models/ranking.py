"""The ranking objective: item transitions and pairwise matrix factorisation."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.arrays import (
    EventArrays,
    LearntArrays,
    Scratch,
    UserArrays,
)
from models.columns import AcceptedBatch, Events, Learnt, Recommended, Users
from models.history import empty_window, open_window, pack
from models.items import Items
from models.pairwise import Knobs, learn_events
from models.params import RankingParams, TransitionParams, UserParams
from models.popularity import most_popular
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
        done = 0
        while True:
            items.transitions.make_room(items.transitions.reserve)
            done = learn_events(
                done,
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
            )
            if done == len(rows):
                break
        return Learnt(context=context, context_start=context_start, factors=factors, **out._asdict())

    def recommend(
        self, items: Items, users: Users, k: int, fallback: NDArray[np.int32]
    ) -> Recommended:
        out = (
            np.full((len(users), k), -1, np.int32),
            np.zeros((len(users), k), np.float32),
            np.zeros((len(users), k), np.uint8),
            np.full((len(users), k), -1, np.int32),
        )
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
                out,
            )
        return Recommended(*out)

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
            radius=getattr(self._params, "radius", 4.0),
            smoothing=self._params.smoothing,
            window_decay=self._transitions.decay,
            seed=self._params.seed,
            reserve=items.transitions.reserve,
        )
