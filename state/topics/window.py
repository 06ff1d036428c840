"""Quality and volume of a window: records of `recommendation_metrics` with the keys `window/PLACE`.

Places are those of a ring, see `key`. Former releases wrote `window/TIME`, and no key twice.

`Sums` is what each micro-batch adds; `WRITTEN` says how the JSON of a window is made of their sums,
in SQL. The edge between Python and Java and the statement are both built from here.
"""

from dataclasses import astuple, dataclass, fields
from typing import Any

KEY = b"window"


@dataclass(slots=True)
class Sums:
    """Sums of one micro-batch for a window; whole numbers are BIGINT in SQL, others DOUBLE."""

    consumed: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: int = 0
    recommended: int = 0
    age: int = 0
    """Of the oldest record, ms: no sum, but weighed by `consumed` in the percentiles."""
    scored: int = 0
    hits: int = 0
    ndcg: float = 0.0
    mrr: float = 0.0
    popularity_hits: float = 0.0
    popularity_ndcg: float = 0.0
    errors: int = 0
    squared_error: float = 0.0
    absolute_error: float = 0.0
    deep_scored: int = 0
    """Events that the deep model was asked about too."""
    deep_hits: int = 0
    online_hits: int = 0
    """Hits without the deep model, of all scored events."""

    def row(self) -> tuple[Any, ...]:
        """Return the values in the order of `columns`."""
        return astuple(self)


def key(window_ms: int, retention_ms: int) -> str:
    """Return the SQL expression of a window's key: its place in a ring of those that are kept.

    The topic is compacted, and must not lose what it says of a bucket that is idle: nothing else
    than the same key ends a window.

    Parameters
    ----------
    window_ms : int
        Length of a window.
    retention_ms : int
        How long they are kept; what does not divide is rounded up.
    """
    places = -(-retention_ms // window_ms)
    # seconds are whole where windows are not: the last millisecond of one is in the same window
    number = f"(UNIX_TIMESTAMP(CAST(window_start AS STRING)) * 1000 + 999) / {window_ms}"
    return f"'{KEY.decode()}/' || CAST(MOD({number}, {places}) AS STRING)"


def columns() -> dict[str, type]:
    """Return names and types of what a micro-batch adds, in the order of the row."""
    return {field.name: field.type for field in fields(Sums)}  # type: ignore[misc]


def share(part: str, of: str) -> str:
    """Return the SQL of a part of a number, null of nothing."""
    return f"{part} / NULLIF({of}, 0)"


def written(k: int) -> dict[str, str]:
    """Return the SQL expression of each field of a window's JSON, over sums of the same names.

    Parameters
    ----------
    k : int
        Cut-off of the ranks, which is part of the names.
    """
    return {
        "consumed": "consumed",
        "accepted": "accepted",
        "duplicate": "duplicates",
        "late": "late",
        "rejected": "rejected",
        "ignored": "consumed - accepted - duplicates - late - rejected",
        "recommendations": "recommended",
        "event_time_max": "event_time",
        "scored": "scored",
        f"hr_at_{k}": share("hits", "scored"),
        f"ndcg_at_{k}": share("ndcg", "scored"),
        "mrr": share("mrr", "scored"),
        f"popularity_hr_at_{k}": share("popularity_hits", "scored"),
        f"popularity_ndcg_at_{k}": share("popularity_ndcg", "scored"),
        f"online_hr_at_{k}": share("online_hits", "scored"),
        "deep_scored": "deep_scored",
        f"deep_hr_at_{k}": share("deep_hits", "deep_scored"),
        "errors": "errors",
        "rmse": f"SQRT({share('squared_error', 'errors')})",
        "mae": share("absolute_error", "errors"),
        "freshness_ms": "JSON_OBJECT('p50' VALUE age[1], 'p99' VALUE age[2])",
    }


_SUMMED = (
    "consumed", "accepted", "duplicates", "late", "rejected", "recommended", "event_time", "scored",
    "errors", "hits", "ndcg", "mrr", "popularity_hits", "popularity_ndcg", "squared_error",
    "absolute_error", "online_hits", "deep_scored", "deep_hits", "age",
)  # fmt: skip
"""The order in which SQL keeps its sums in state: new ones are appended."""
_DIVIDED = {"hits", "online_hits", "deep_hits"}
"""Whole numbers whose shares are asked for."""


def summed() -> str:
    """Return the SQL aggregates over the rows `m` of micro-batches, each under its name."""
    found = {name: f"SUM(m.{name})" for name in columns()}
    found |= {name: f"CAST({found[name]} AS DOUBLE)" for name in _DIVIDED}
    found["event_time"] = "MAX(event_time)"
    found["age"] = "PERCENTILE(m.age, ARRAY[0.5, 0.99], m.consumed)"
    return ", ".join(f"{found[name]} AS {name}" for name in _SUMMED)
