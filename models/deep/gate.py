"""The gate: a challenger serves only if it is not worse than the champion on what came later."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's decision on a challenger, and its reason."""

    accepted: bool
    reason: str


def judge(
    champion: NDArray[np.int32] | None,
    challenger: NDArray[np.int32],
    *,
    tolerance: float = 0.02,
    least: int = 200,
    seed: int = 1,
) -> Verdict:
    """Compare two models by a paired bootstrap of NDCG@10 on the same events.

    Parameters
    ----------
    champion : int32[n] or None
        0-based ranks; None for the first model, which has nobody to beat.
    challenger : int32[n]
    tolerance : float
        Relative loss that is forgiven: it must be believed with 95 % to be larger.
    least : int
        Events below which nothing can be told: the champion stays, and what is new waits for the
        next round, which has more.
    """
    if champion is None:
        return Verdict(accepted=True, reason="first model")
    if len(champion) != len(challenger):
        return Verdict(accepted=False, reason="ranks of different events")
    if len(champion) < least:
        return _too_few(len(champion), least)
    old, new = gains(champion), gains(challenger)
    difference = new - (1 - tolerance) * old
    figures = f"NDCG@10 {new.mean():.4f} against {old.mean():.4f} on {len(old)} events"
    return _verdict(difference, figures, seed)


def judge_errors(
    champion: NDArray[np.float32] | None,
    challenger: NDArray[np.float32],
    *,
    tolerance: float = 0.02,
    least: int = 200,
    seed: int = 1,
) -> Verdict:
    """Compare two models of ratings by a paired bootstrap of their RMSE on the same events.

    Parameters
    ----------
    champion : float32[n] or None
        Ratings less what was predicted; None for the first model, which has nobody to beat.
    challenger : float32[n]
    tolerance : float
        Relative rise of the RMSE that is forgiven: it must be believed with 95 % to be larger.
    least : int
        Events below which nothing can be told: the champion stays, and what is new waits for the
        next round, which has more.
    """
    if champion is None:
        return Verdict(accepted=True, reason="first model")
    if len(champion) != len(challenger):
        return Verdict(accepted=False, reason="errors of different events")
    if len(champion) < least:
        return _too_few(len(champion), least)
    old, new = np.square(champion, dtype=np.float64), np.square(challenger, dtype=np.float64)
    figures = f"RMSE {new.mean() ** 0.5:.4f} against {old.mean() ** 0.5:.4f} on {len(old)} events"
    if not np.isfinite(new).all():
        return Verdict(accepted=False, reason=f"not finite: {figures}")
    return _verdict((1 + tolerance) ** 2 * old - new, figures, seed)


def _too_few(events: int, least: int) -> Verdict:
    reason = f"too few events to judge by: {events} of {least}; the champion stays"
    return Verdict(accepted=False, reason=reason)


def _verdict(advantage: NDArray[np.float64], figures: str, seed: int) -> Verdict:
    """Refuse a challenger whose advantage at n events is believed with 95 % to be below 0."""
    n = len(advantage)
    picks = np.random.default_rng(seed).integers(0, n, (500, n))
    if np.quantile(advantage[picks].mean(axis=1), 0.95) < 0:
        return Verdict(accepted=False, reason=f"worse than the champion: {figures}")
    return Verdict(accepted=True, reason=figures)


def gains(rank: NDArray[np.int32], k: int = 10) -> NDArray[np.float64]:
    """Return each event's part of NDCG@k: 1 / log2(rank + 2) among the first k, else 0."""
    held = (rank >= 0) & (rank < k)
    return np.where(held, 1 / np.log2(np.maximum(rank, 0) + 2.0), 0.0)
