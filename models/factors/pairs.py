r"""Learning to rank by pairs: Bayesian personalised ranking with an offset from transitions.

For an event (u, b) and each sampled item j, with their scores :math:`\ell` by factors and
transitions:

.. math:: g = w\,\sigma(\ell_j - \ell_b), \quad
    q_b \mathrel{+}= g p_u, \quad q_j \mathrel{-}= g p_u, \quad p_u \mathrel{+}= g (q_b - q_j)

(Rendle et al., BPR, UAI 2009; w is the event's weight, for the items at most 1: what others are
recommended counts users), all from old values, each row with its
own AdaGrad step (Duchi et al., JMLR 2011). The transitions are inside the scores, so that the
factors learn only what the counts miss.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.events import BatchArrays, EventArrays, LearntArrays
from models.arrays.items import ItemArrays
from models.arrays.work import Knobs, Work
from models.compiled import Integer, Truth, kernel
from models.factors.negatives import draw_negative, first_word
from models.factors.part import look, part_of
from models.factors.steps import move_item, move_user
from models.index.marks import is_new
from models.numeric.initial import GAMMA
from models.numeric.vectors import norm
from models.transitions.share import add_parts, weigh


@kernel
def learn_event(
    e: Integer, row: Integer, fresh: Truth, events: EventArrays, work: Work, out: LearntArrays
) -> None:
    """Take one pairwise step for each of an event's negatives."""
    u, users, a = events.user[e], work.users, work.items
    pull, drawn, odds = work.scratch.pull, work.scratch.drawn, work.scratch.odds
    look(work, u)
    word = first_word(events.identity[e], work.knobs.seed)
    drawn[0] = row
    for s in range(1, len(drawn)):
        word += GAMMA
        drawn[s] = draw_negative(
            word, s % 2 == 1, events.item[e], u, events.time[e], users, work.scratch.own, a
        )
        out.negatives[e, s - 1] = drawn[s]
    _score(work, u, drawn, odds)
    for f in range(pull.shape[1]):
        pull[0, f] = 0
    whole = np.float32(0)
    weight = np.float32(events.weight[e])
    share = min(np.float32(1), np.float32(1) / weight)
    for s in range(1, len(drawn)):
        other = drawn[s]
        if other >= 0:
            g = weight / (np.float32(1) + np.exp(odds[0] - odds[s]))
            out.gradients[e, s] = -g * share
            whole += g
            for f in range(pull.shape[1]):
                pull[0, f] -= g * a.factors[other, f]
    out.gradients[e, 0] = whole * share
    for f in range(pull.shape[1]):
        pull[0, f] += whole * a.factors[row, f]
    if fresh:
        _move_items(e, row, events.coordinate[e], work, u, out)
    move_user(work, u)


@kernel
def _move_items(
    e: Integer, row: Integer, coordinate: Integer, work: Work, u: Integer, out: LearntArrays
) -> None:
    """Move an event's item and its negatives along the user's factors."""
    factors, a, knobs = work.users.factors, work.items, work.knobs
    length = norm(factors, u)
    for s in range(1 + out.negatives.shape[1]):
        moved = row if s == 0 else out.negatives[e, s - 1]
        if moved >= 0 and is_new(work.until, a, moved, coordinate):
            move_item(a, moved, out.gradients[e, s], factors, u, length, knobs)


@kernel
def apply_event(e: Integer, u: Integer, batch: BatchArrays, a: ItemArrays, knobs: Knobs) -> None:
    """Move an event's item and its negatives by the gradients another worker found."""
    length = norm(batch.factors, u)
    for s in range(batch.gradients.shape[1]):
        item = batch.item[e] if s == 0 else batch.negatives[e, s - 1]
        if (
            item >= 0
            and batch.owned[item]
            and is_new(batch.until, a, batch.rows[item], batch.coordinate[e])
        ):
            g = batch.gradients[e, s]
            move_item(a, batch.rows[item], g, batch.factors, u, length, knobs)


@kernel
def _score(work: Work, u: Integer, drawn: NDArray[np.int64], odds: NDArray[np.float32]) -> None:
    """Set the scores of items by factors and transitions; rows below 0 are none."""
    total = weigh(work.window, u, work.items, work.transitions, work.knobs.window_decay)
    for s in range(len(drawn)):
        odds[s] = part_of(work, max(drawn[s], 0))
    add_parts(work, u, drawn, total, odds)
