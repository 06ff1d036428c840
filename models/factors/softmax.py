r"""Factors of a sequence-aware model, learnt by a sampled softmax with an offset from transitions.

For an event (u, b) and M sampled items, with the scores :math:`\ell` by factors and transitions of
b and of the sampled ones, :math:`\pi` their softmax, and w the event's weight:

.. math:: g_b = w (1 - \pi_b), \quad g_j = -w \pi_j, \quad
    q_j \mathrel{+}= \eta g_j z, \quad
    p_u \mathrel{+}= \eta d, \quad e_{x_h} \mathrel{+}= \eta \nu \gamma^{h-1} d, \quad
    d = \sum_j g_j q_j

with z and :math:`\nu` of `models.factors.part`, all from old values, each row with its own AdaGrad
step (Duchi et al., JMLR 2011). For the items, w is at most 1: what others are recommended counts
users; how strong an event is says something of the user. The transitions are inside the scores, so
that the factors learn only what the counts miss.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.events import EventArrays
from models.arrays.items import SKIPPED
from models.arrays.work import Work
from models.compiled import Integer, Real, Truth, kernel
from models.factors.negatives import draw_negative, first_word
from models.factors.part import look, part_of
from models.factors.steps import START, move_item, move_user
from models.index.marks import is_new
from models.index.moved import note
from models.numeric.finite import finite
from models.numeric.initial import GAMMA
from models.numeric.vectors import move, norm
from models.transitions.share import add_parts, weigh
from models.users.own import note_own


@kernel
def learn_event(e: Integer, row: Integer, fresh: Truth, events: EventArrays, work: Work) -> None:
    """Take a step of the softmax of an event's item among sampled ones."""
    u, scratch = events.user[e], work.scratch
    nu = look(work, u)
    _draw(e, row, events, work)
    if not _score(u, row, work):
        work.items.counters[SKIPPED] += 1
        return
    weight = np.float32(events.weight[e])
    told = min(weight, np.float32(1))
    for f in range(scratch.pull.shape[1]):
        scratch.pull[0, f] = 0
    length = norm(scratch.z, 0)
    for s in range(len(scratch.drawn)):
        other = scratch.drawn[s]
        if other >= 0:
            g = weight * scratch.odds[s]
            _pull(scratch.pull, g, work.items.factors, other)
            if fresh and is_new(work.until, work.items, other, events.coordinate[e]):
                move_item(
                    work.items, other, told * scratch.odds[s], scratch.z, 0, length, work.knobs
                )
                note(work.items, other)
    move_user(work, u)
    if fresh and nu > 0:
        for f in range(scratch.pull.shape[1]):
            scratch.pull[0, f] *= told / weight
        _move_context(e, u, nu, events, work)


@kernel
def _draw(e: Integer, row: Integer, events: EventArrays, work: Work) -> None:
    """Draw the items to compare with; the event's own stands first."""
    u, drawn, own = events.user[e], work.scratch.drawn, work.scratch.own
    users, a = work.users, work.items
    note_own(own, users, u)
    word = first_word(events.identity[e], work.knobs.seed)
    drawn[0] = row
    for s in range(1, len(drawn)):
        word += GAMMA
        drawn[s] = draw_negative(word, s % 2 == 0, events.item[e], u, events.time[e], users, own, a)


@kernel
def _score(u: Integer, row: Integer, work: Work) -> Truth:
    """Set the gradient of every drawn item's score; return whether all are finite."""
    odds, drawn = work.scratch.odds, work.scratch.drawn
    total = weigh(work.window, u, work.items, work.transitions, work.knobs.window_decay)
    top = np.float32(-np.inf)
    for s in range(len(drawn)):
        odds[s] = -np.inf
        if drawn[s] >= 0:
            odds[s] = part_of(work, drawn[s])
    add_parts(work, u, drawn, total, odds)
    for s in range(len(drawn)):
        top = max(top, odds[s])
    whole = np.float32(0)
    for s in range(len(drawn)):
        odds[s] = np.exp(odds[s] - top)
        whole += odds[s]
    for s in range(len(drawn)):
        odds[s] = -odds[s] / whole
    odds[0] += np.float32(1)
    return finite(top * whole) and drawn[0] == row


@kernel
def _pull(pull: NDArray[np.float32], g: Real, factors: NDArray[np.float32], row: Integer) -> None:
    for f in range(pull.shape[1]):
        pull[0, f] += g * factors[row, f]


@kernel
def _move_context(e: Integer, u: Integer, nu: Real, events: EventArrays, work: Work) -> None:
    """Move the context factors of the user's last items along the sum of the gradients."""
    a, pull, knobs = work.items, work.scratch.pull, work.knobs
    square = norm(pull, 0) / np.float32(pull.shape[1])
    if not finite(square):
        return
    newest, share = work.window.length[u] - 1, nu
    size: Integer = min(work.window.length[u], knobs.context)
    for h in range(size):
        row = work.window.rows[u, newest - h]
        if is_new(work.until, a, row, events.coordinate[e]):
            a.context_gradient_sum[row] += share * share * square
            step = np.float32(knobs.rate) * share / np.sqrt(START + a.context_gradient_sum[row])
            move(a.context, row, step, pull, 0, knobs.decay, knobs.radius)
            note(a, row)
        share *= np.float32(knobs.context_decay)
