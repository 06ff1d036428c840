"""Popularity that fades: every count is multiplied at each event, then the event is counted."""

import numpy as np
from numpy.typing import NDArray

from scripts.tools.evaluate.baselines.kernels import learn_popularity, score_popularity
from scripts.tools.evaluate.baselines.stream import Stream


class DecayedPopularity:
    """Ranks by faded counts.

    Parameters
    ----------
    stream
        What will be taken.
    seed
        Not used: nothing is random.
    decay
        What remains of a count at each event; 1: plain popularity.
    """

    def __init__(self, stream: Stream, *, seed: int = 1, decay: float = 0.9999) -> None:
        del seed
        self._decay = decay
        self._counts = np.zeros(stream.items, np.int64)
        self._weights = np.zeros(stream.items, np.float64)
        self._scores = np.zeros(stream.items, np.float64)
        self._seen = np.full(stream.items, -1, np.int64)
        self._step = 1.0

    def learn(
        self, stream: Stream, begin: int, end: int, every: int, ranks: NDArray[np.int32]
    ) -> None:
        """See the package."""
        self._step = learn_popularity(
            stream, begin, end, every, ranks,
            self._counts, self._weights, self._seen, self._step, self._decay,
        )  # fmt: skip

    def score(self, stream: Stream, e: int) -> NDArray[np.float64]:
        """See the package."""
        score_popularity(stream, e, self._weights, self._counts, self._scores, self._seen)
        return self._scores
