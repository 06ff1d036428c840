"""What private counts cost: hit rate of the trending items of a window among the next one's events.

A file is cut into windows by its times, one after the other. Without privacy the list of a window
holds its most seen items, a user counting once for each; with it a user counts for the first
`--items`, and counts have the job's noise and threshold. A hit is an event of the next window whose
item is listed.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.table import Table

from models.popularity.private import PrivateCounts
from scripts.tools.console import ToolError, positive
from scripts.tools.evaluate.common.output import console_beside, row, write

EPSILONS = (1.0, 4.0, 8.0)
Codes = NDArray[np.int64]


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "private-counts", help="what private counts of trending items cost", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    add("data", type=Path, metavar="FILE.parquet")
    add("--user", default="user_id", metavar="COLUMN")
    add("--item", default="item_id", metavar="COLUMN")
    add("--time", default="timestamp", metavar="COLUMN", help="whole numbers, in order")
    add("--window", type=positive(int), required=True, help="length, in units of the times")
    add("--items", type=positive(int), default=5, help="privacy.counts_items (default: 5)")
    add("--delta", type=float, default=1e-6, help="privacy.counts_delta (default: 1e-6)")
    add("--k", type=positive(int), default=10, help="items of a list (default: 10)")
    add("--seeds", type=positive(int), default=5, help="draws of the noise (default: 5)")
    add("--json", type=Path, metavar="OUT", help="figures as JSON, - for standard output")


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    windows = _windows(options)
    rows = [_figures("off", windows, None, options)]
    for epsilon in EPSILONS:
        budget = PrivateCounts(epsilon=epsilon, delta=options.delta, items=options.items)
        rows.append(_figures(f"epsilon {epsilon:g}", windows, budget, options))
    table = Table("counts", f"hit rate@{options.k}", "items listed")
    for name, rate, listed in rows:
        table.add_row(name, f"{rate:.4f}", f"{listed:.1f}")
    console_beside(options.json).print(table)
    if options.json:
        found: list[dict[str, Any]] = []
        for name, rate, listed in rows:
            found += [row(name, f"hr@{options.k}", "all", rate), row(name, "listed", "all", listed)]
        write(options.json, found, windows=len(windows))
    return 0


def _windows(options: argparse.Namespace) -> list[tuple[Codes, Codes]]:
    """Return users and items of each window that has events."""
    names = [options.user, options.item, options.time]
    try:
        table = pq.read_table(options.data, columns=names)
        user, item, time = (table[name].to_numpy() for name in names)
    except (OSError, KeyError, ValueError) as error:
        raise ToolError(
            f"{options.data}: expected a parquet file with the columns {', '.join(names)}, got"
            f" {error}; name others by --user, --item and --time",
            code=2,
        ) from None
    user, item = (np.unique(one, return_inverse=True)[1] for one in (user, item))
    number = time.astype(np.int64) // options.window
    order = np.argsort(number, kind="stable")
    begins = np.flatnonzero(np.diff(number[order])) + 1
    return [(user[part], item[part]) for part in np.split(order, begins)]


def _figures(
    name: str,
    windows: list[tuple[Codes, Codes]],
    budget: PrivateCounts | None,
    options: argparse.Namespace,
) -> tuple[str, float, float]:
    """Return the name, hit rate over all events, and mean length of the lists."""
    hits = events = listed = lists = 0
    counts = [_counted(*window, options.items if budget else None) for window in windows]
    for seed in range(options.seeds if budget else 1):
        rng = np.random.default_rng(seed)
        for (items, seen), (_, following) in zip(counts[:-1], windows[1:], strict=True):
            best = _best(items, seen, budget, options.k, rng)
            hits += int(np.isin(following, best).sum())
            events += len(following)
            listed += len(best)
            lists += 1
    return name, hits / max(events, 1), listed / max(lists, 1)


def _counted(user: Codes, item: Codes, most: int | None) -> tuple[Codes, Codes]:
    """Return items and how many users count for each, of the first `most` items of each user."""
    _, first = np.unique(user * (item.max() + 1) + item, return_index=True)
    first.sort()
    if most is not None:
        order = np.argsort(user[first], kind="stable")
        ranked = user[first][order]
        place = np.arange(len(order)) - np.searchsorted(ranked, ranked)
        first = first[order[place < most]]
    items, seen = np.unique(item[first], return_counts=True)
    return items, seen


def _best(
    items: Codes,
    seen: Codes,
    budget: PrivateCounts | None,
    k: int,
    rng: np.random.Generator,
) -> Codes:
    """Return the k items that are told, most seen first."""
    if budget is not None:
        chance = 1 - budget.ratio
        noise = rng.geometric(chance, len(seen)) - rng.geometric(chance, len(seen))
        seen = seen + noise
        told = seen >= budget.threshold
        items, seen = items[told], seen[told]
    best: Codes = items[np.argsort(-seen, kind="stable")[:k]]
    return best
