"""Kernels that compiled functions call, as a test can call them."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

from models.index import moved
from models.neighbours import learn, sequences, share
from models.numeric import initial
from models.popularity import counts, part
from models.rating import kalman
from models.transitions import rows
from models.users import history
from models.weights import blend, knobs, popularity
from scripts.tools.evaluate.ratings import stack as stack

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def called(kernel: _Kernel) -> _Kernel:
    """Return a kernel with a way in for Python."""
    way_in: _Kernel = numba.njit(lambda *arguments: kernel(*arguments))
    return way_in


add_event = called(blend.add_event)
add_transition = called(rows.add)
contains = called(history.contains)
count_event = called(counts.count_event)
fill_neighbours = called(share.fill)
find_neighbours = called(share.find)
gains_of = called(popularity.gains_of)
note = called(moved.note)
fill_popularity = called(part.fill)
history_of = called(popularity.history_of)
learn_gains = called(popularity.learn)
learn_knobs = called(knobs.learn)
learn_place = called(learn.learn)
learn_rating = called(kalman.learn)
note_moved = called(moved.note)
predict_rating = called(kalman.predict)
predict_stacked = called(stack.predict)
remember = called(history.remember)
scrambled = called(initial.scrambled)
slot_of = called(sequences.slot_of)
sources_of = called(share.sources_of)
weight_of = called(rows.weight_of)
