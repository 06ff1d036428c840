"""Parameters of what an event must look like to be taken in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from models.params.checks import require

WEIGHTS: Mapping[str, float] = {
    "impression": 0.0,
    "click": 1.0,
    "view": 1.0,
    "favorite": 2.0,
    "add_to_cart": 3.0,
    "purchase": 5.0,
    "rating": 1.0,
    "dislike": -1.0,
    "remove": -1.0,
}
"""Weight of an event type: > 0 is learnt, 0 only counted, < 0 hides the item from the user."""

SENTINELS = (
    "null", "undefined", "none", "nil", "nan", "anonymous", "unknown", "-1", "(null)", "(not set)",
)  # fmt: skip
"""What producers write for "nobody", in lower case: one giant fake user otherwise."""

SENTINEL_PATTERNS = (
    r"[0\s!-/:-@\[-`{-~\u2010-\u203f]{2,}",
    r"[\s!-/:-@\[-`{-~\u2010-\u203f]",
)
"""The same as patterns: nothing but zeros and punctuation; "0" alone is an id, data sets count
from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventPolicy:
    """Conditions an event must meet to be accepted, see `operators.learn_users.stages.decode`.

    Raises
    ------
    ValueError
        For a policy that no event could meet, or that would let harmful ones in.
    """

    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    """Strength of each known event type: > 0 is learnt, 0 only counted, < 0 hides the item."""
    ignore: tuple[str, ...] = ()
    """Event types that are no item events, as patterns with `*` and `?`; those with a weight and
    those refused are never among them."""
    refused: frozenset[str] = frozenset()
    """Event types that are dead letters whatever `ignore` says."""
    default_type: str = ""
    """Type of events that have none; "": they are refused."""
    hide: dict[str, int] = field(default_factory=dict)
    """How long an item is not recommended again after an event of a type, ms; for ever where it
    names none, see `models.users.past`."""
    rating_type: str = "rating"
    """Event type whose `value` is required, must lie in the range below and is learnt; a `value`
    of any other type, such as a price, is not."""
    lowest_rating: float = 0.5
    highest_rating: float = 5.0
    rating_centre: float | None = 2.75
    """Rating that says nothing: one above is liking, one below dislike, each by its distance.
    None where every rating has the weight of its type."""
    identity: Literal["event_id", "event_id+item+type"] = "event_id"
    """Whether events of one id are one, or one for each item and type: lines of an order."""
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Where fields of an event are, as paths with dots, of which the first counts that leads to
    something; none for the project's own events."""
    items: str = ""
    """Path of the list of items in an event that may have several."""
    lines: int = 200
    """Most items of that list: each is an event that everybody learns."""
    without_item: Literal["skip", "refuse"] = "skip"
    """What becomes of those without an id: left out, or the record is refused."""
    time: Literal["ms", "s", "us", "iso8601"] = "ms"
    """What `timestamp` is."""
    keyed: Literal[True, False, "json"] = True
    """Whether records have the user id for their key, where they have one; "json": as JSON, in
    quotes."""
    max_bytes: int = 65_536
    """Largest record value that is parsed."""
    max_id_bytes: int = 512
    """Longest id, in bytes; ids are never normalised."""
    ids: Literal["utf8", "ascii"] = "utf8"
    """Characters of ids: all but control characters, or visible ASCII (0x21 to 0x7e) only."""
    sentinel_ids: frozenset[str] = frozenset(SENTINELS)
    """Ids, in lower case, that stand for nobody."""
    sentinel_patterns: tuple[str, ...] = SENTINEL_PATTERNS
    """Regular expressions; an id that matches one as a whole stands for nobody."""
    earliest_ms: int = 946_684_800_000
    """2000-01-01: a time before it is in seconds, or wrong."""
    max_future_ms: int = 300_000
    """How far a producer's clock may be ahead."""
    buckets: int = 64
    """User buckets of the job, a power of two."""

    def __post_init__(self) -> None:
        """Refuse a policy that makes no sense."""
        limits = (self.lowest_rating, self.highest_rating)
        centre = limits[0] if self.rating_centre is None else self.rating_centre
        checks = (
            ("weights", "finite numbers", all(map(isfinite, self.weights.values()))),
            ("weights", f"known for {self.rating_type}", self.rating_type in self.weights),
            ("default_type", "a known type", self.default_type in {"", *self.weights}),
            ("hide", "durations >= 0", all(ms >= 0 for ms in self.hide.values())),
            ("lowest_rating", "< highest_rating", isfinite(sum(limits)) and limits[0] < limits[1]),
            ("rating_centre", "in the range of ratings", limits[0] <= centre < limits[1]),
            ("lines", ">= 1", self.lines >= 1),
            ("max_bytes", ">= 1", self.max_bytes >= 1),
            ("max_id_bytes", ">= 1", self.max_id_bytes >= 1),
            ("sentinel_ids", "lower case", all(s == s.lower() for s in self.sentinel_ids)),
            ("earliest_ms", ">= 0", self.earliest_ms >= 0),
            ("max_future_ms", ">= 0", self.max_future_ms >= 0),
            ("buckets", "a power of two", self.buckets > 0 and not self.buckets & self.buckets - 1),
        )
        require(self, checks)
