"""Everything that ranking needs at hand, with the users of one micro-batch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.items import ItemArrays
from models.arrays.neighbours import NeighbourArrays
from models.arrays.transitions import TransitionArrays
from models.arrays.users import UserArrays
from models.arrays.weights import CHOICES, WEIGHTS, PopularArrays, TunedArrays

_BEST = 30
"""Best scores whose spread says what a difference of scores is."""


class Window(NamedTuple):
    """The last items of every user of a micro-batch, oldest first, left-aligned."""

    rows: NDArray[np.int32]
    """(U, W) rows; in batches of other workers: indices into the batch's keys."""
    length: NDArray[np.int32]
    """(U,)"""
    coefficient: NDArray[np.float32]
    """(W,) scratch: weight of each row of the user at hand."""


OWN_WORDS = 256
"""Words of 64 bits that say which items may be a user's own."""
TRASH = 16
"""Places after the rows of `Scratch.boost` for what is added to no row."""


class Scratch(NamedTuple):
    """Memory for scoring one user against R items; clean between users."""

    boost: NDArray[np.float32]
    """(R + TRASH,) 0, or something of each item while it is summed or looked for."""
    mark: NDArray[np.int64]
    """(R,) stamp of the user an item was last left out for."""
    stamp: NDArray[np.int64]
    """(1,) number of the user at hand."""
    pull: NDArray[np.float32]
    """(1, F) step of the user's factors."""
    z: NDArray[np.float32]
    """(1, F) what the user at hand is to factors, see `models.factors.part`."""
    drawn: NDArray[np.int64]
    """(1 + M,) rows of an event's item and of those it is compared with, -1 for none."""
    odds: NDArray[np.float32]
    """(1 + M,) their scores, then the gradients of these."""
    first: NDArray[np.int32]
    """(W, 1 + M) what stands where each of them is looked for first among followers."""
    shares: NDArray[np.float32]
    """(1 + M,) their shares of transitions."""
    own: NDArray[np.uint64]
    """(OWN_WORDS,) bits of items that may be the user's own; all of them where nobody looked."""
    parts: NDArray[np.float32]
    """(C, R) scores of the user at hand by each component, see `models.components`."""
    weights: NDArray[np.float32]
    """(C,) of each component in the joint score."""
    sums: NDArray[np.float32]
    """(C,) of each component over all items."""
    recent: NDArray[np.int32]
    """(D,) rows of the last items that neighbours are looked for by."""
    found: NDArray[np.int64]
    """(1,) how many of them there are for the user at hand."""
    near: NDArray[np.float32]
    """(R,) 0, or what neighbours say of each item while a short list is made."""
    touched: NDArray[np.int32]
    """(R + 1,) rows of items that transitions or neighbours name to the user at hand."""
    mean: NDArray[np.float32]
    """(1, F) mean of the factors of items."""
    means: NDArray[np.float32]
    """(C,) mean of what each component says of items to everybody."""
    joint: NDArray[np.float32]
    """(R,) joint scores of the user at hand."""
    ranks: NDArray[np.float32]
    """(11,) ranks of an event's item without a score and by its weights."""

    gains: NDArray[np.float64]
    """(CHOICES,) what each weight of popularity gained at the event at hand."""
    slopes: NDArray[np.float32]
    """(R + TRASH, 4) 0, or how the shares of transitions change, see `models.ranking.slopes`; of no
    rows where knobs stay."""
    best: NDArray[np.int32]
    """(1, 30) rows of the best scores, for these slopes."""
    best_scores: NDArray[np.float32]
    """(1, 30)"""

    @classmethod
    def of_size(
        cls,
        rows: int,
        factors: int,
        components: int,
        negatives: int = 0,
        recent: int = 0,
        window: int = 0,
        *,
        tuned: bool = False,
    ) -> "Scratch":
        """Return clean memory."""
        return cls(
            boost=np.zeros(rows + TRASH, np.float32),
            mark=np.zeros(rows, np.int64),
            stamp=np.zeros(1, np.int64),
            pull=np.zeros((1, factors), np.float32),
            z=np.zeros((1, factors), np.float32),
            drawn=np.full(1 + negatives, -1, np.int64),
            odds=np.zeros(1 + negatives, np.float32),
            first=np.zeros((window, 1 + negatives), np.int32),
            shares=np.zeros(1 + negatives, np.float32),
            own=np.full(OWN_WORDS, np.iinfo(np.uint64).max, np.uint64),
            parts=np.zeros((components, rows), np.float32),
            weights=np.zeros(components, np.float32),
            sums=np.zeros(components, np.float32),
            recent=np.zeros(recent, np.int32),
            found=np.zeros(1, np.int64),
            near=np.zeros(rows, np.float32),
            touched=np.zeros(rows + 1, np.int32),
            mean=np.zeros((1, factors), np.float32),
            means=np.zeros(components, np.float32),
            joint=np.zeros(rows, np.float32),
            ranks=np.zeros(1 + max(WEIGHTS, CHOICES - 1), np.float32),
            gains=np.zeros(CHOICES, np.float64),
            slopes=np.zeros((rows + TRASH if tuned else 0, 4), np.float32),
            best=np.zeros((1, _BEST), np.int32),
            best_scores=np.zeros((1, _BEST), np.float32),
        )


class Knobs(NamedTuple):
    """Hyper-parameters of the ranking objective, see `models.params`."""

    rate: float
    bias_rate: float
    decay: float
    radius: float
    smoothing: float
    window_decay: float
    backward: float
    """See `models.params.transitions.TransitionParams`."""
    source_decay: float
    source_norm: float
    """The same of scores, see `models.params.ranking.RankingParams`."""
    repeats: bool
    context: int
    """Last items of the user that are context of its factors; 0 in a model without."""
    context_decay: float
    neighbour_smoothing: float
    """Smoothing of the neighbours' share; 0 in a model without."""
    seed: int
    reserve: int
    """Slots of the arena that must be free before an event is learnt."""
    strong: float
    """Weight from which an item stays in the past while weaker ones leave it."""
    ranked: float
    """Items beyond which fewer of the users' events are ranked, so that it costs no more."""
    taught: int
    """Lower halves of users' keys below which their ranked events teach the weights."""


class Work(NamedTuple):
    """Everything that ranking needs at hand, with the users of one micro-batch."""

    users: UserArrays
    window: Window
    items: ItemArrays
    transitions: TransitionArrays
    neighbours: NeighbourArrays
    scratch: Scratch
    knobs: Knobs
    deep: DeepArrays
    until: NDArray[np.int64]
    """See `BatchArrays.until`."""
    fallback: NDArray[np.int32]
    """Rows of trending items, best first: what is served where nothing else is known."""
    popular: PopularArrays
    tuned: TunedArrays
