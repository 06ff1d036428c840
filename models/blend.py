r"""The blend: scores of several models joined by log-odds, their weights learnt online.

With the scores :math:`x_j` of item j by each model and weights :math:`\theta`, items are ranked by
:math:`\theta x_j`, and :math:`\theta` follows the loss of a softmax over the catalogue,
:math:`-\log p_t`, of the events that are ranked before they are learnt, by Newton steps on its
gradient :math:`E_p[x] - x_t` and curvature :math:`\mathrm{Cov}_p[x]`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, ItemArrays
from models.compiled import Integer, kernel

COUNT, LOSS, G0, G1, H00, H01, H11, ONLINE_LOSS = range(8)
"""Places in the sums: events, their loss, gradient, curvature, loss of the online model alone."""

_JUDGED = 4096
"""Items that a loss is summed over, about; a larger catalogue is sampled evenly."""


@kernel
def add_loss(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    weights: NDArray[np.float64],
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
    sums: NDArray[np.float64],
) -> None:
    """Add an event's loss, gradient and curvature to the sums."""
    p, q, size = np.float32(weights[0]), np.float32(weights[1]), a.counters[SIZE]
    step = 1 + size // _JUDGED
    raised = np.log(np.float32(step))
    own, own_online = p * first[target] + q * second[target], p * first[target]
    top, top_online = own, own_online
    for row in range(target % step, size, step):
        if a.counts[row] > 0 and marks[row] != mark:
            top = max(top, p * first[row] + q * second[row] + raised)
            top_online = max(top_online, p * first[row] + raised)
    mass = np.exp(own - top)
    mass_online = np.exp(own_online - top_online)
    e0, e1 = mass * first[target], mass * second[target]
    s00 = mass * first[target] * first[target]
    s01 = mass * first[target] * second[target]
    s11 = mass * second[target] * second[target]
    total, total_online = np.float64(mass), np.float64(mass_online)
    for row in range(target % step, size, step):
        if a.counts[row] > 0 and marks[row] != mark and row != target:
            x, z = first[row], second[row]
            mass = np.exp(p * x + q * z + raised - top)
            total += mass
            e0 += mass * x
            e1 += mass * z
            s00 += mass * x * x
            s01 += mass * x * z
            s11 += mass * z * z
            total_online += np.exp(p * x + raised - top_online)
    e0, e1 = e0 / total, e1 / total
    loss, online_loss = np.log(total) + top - own, np.log(total_online) + top_online - own_online
    # no isfinite: compiled with freedom to reorder, x - x of a sum is 0 even where x is NaN
    if abs(loss) < np.inf and abs(online_loss) < np.inf and s00 + s11 < np.inf:
        sums[0] += 1
        sums[1] += loss
        sums[2] += e0 - first[target]
        sums[3] += e1 - second[target]
        sums[4] += s00 / total - e0 * e0
        sums[5] += s01 / total - e0 * e1
        sums[6] += s11 / total - e1 * e1
        sums[7] += online_loss


@dataclass(slots=True)
class Blend:
    """The weights of the online and the deep score, and what they were learnt from.

    The authoritative copy lives in the state of fine-tune; everybody else serves what it says.
    """

    online: float = 1.0
    deep: float = 0.0
    curvature: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """H00, H01, H11 of the past, forgotten by and by."""
    events: float = 0.0

    def learn(self, sums: NDArray[np.float64], *, memory: float = 20_000.0) -> None:
        """Take a Newton step for sums of events that were ranked with these weights.

        Parameters
        ----------
        sums : float64[LOSSES]
        memory : float
            Events after which the past weighs 1 / e.
        """
        count = float(sums[COUNT])
        if count <= 0 or not np.isfinite(sums).all():
            return
        kept = float(np.exp(-count / memory))
        h = [
            kept * old + float(new)
            for old, new in zip(self.curvature, sums[H00 : H11 + 1], strict=True)
        ]
        self.curvature = (h[0], h[1], h[2])
        self.events = kept * self.events + count
        prior = _PRIOR_EVENTS
        matrix = np.array([[h[0] + prior, h[1]], [h[1], h[2] + prior]])
        step = np.linalg.solve(matrix, np.asarray(sums[G0 : G1 + 1]))
        # far from the optimum a full step would overshoot: the curvature is that of here
        step = np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
        self.online = float(np.clip(self.online - step[0], *_ONLINE_BOUNDS))
        self.deep = float(np.clip(self.deep - step[1], *_DEEP_BOUNDS))

    @property
    def weights(self) -> NDArray[np.float64]:
        """(2,) as `models.arrays.DeepArrays` takes them."""
        return np.array([self.online, self.deep])


_PRIOR_EVENTS = 50.0
_LARGEST_STEP = 0.05
_ONLINE_BOUNDS = (0.2, 2.0)
_DEEP_BOUNDS = (0.0, 2.0)
