"""Hyper-parameters: frozen, validated where they are made; the models own their knobs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal


def _require(params: object, checks: Iterable[tuple[str, str, bool]]) -> None:
    """Raise for the first check (field, what is expected of it, whether it holds) that fails."""
    for name, expected, holds in checks:
        if not holds:
            raise ValueError(
                f"{type(params).__name__}.{name}: expected {expected}, "
                f"got {getattr(params, name)!r}; change the configuration"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class UserParams:
    """Bounds of what is remembered of one user."""

    history: int = 64
    """Last positive items kept: context of the models."""
    recent_events: int = 64
    """Identities kept to recognise repeats: those of the newest events by event time."""
    lateness_ms: int = 3_600_000
    """An event that is no older than this against the user's newest is never late."""
    count_window_ms: int = 21_600_000
    """A user counts once for an item within this event time."""
    count_limit: int = 4096
    """New items that a user may name to others within the same time of arrival."""
    by_type: bool = False
    """Whether a user counts once for each event type of an item: a view must not stand before a
    rating."""
    past: int = 2048
    """Items kept that are not recommended again, four bytes each."""
    timed: bool = False
    """Whether some of them are recommended again after a time: four more bytes each."""
    strong: float = 5.0
    """Weight of events (purchases) whose items stay in the past while weaker ones leave it."""
    exclusions: int = 32
    """Last disliked or removed items kept."""
    deep_state: int = 128
    """Numbers of the deep model's state."""
    session_gap_ms: int = 1_800_000
    """Event-time gap after which a new session starts."""

    def __post_init__(self) -> None:
        """Refuse bounds that leave no room."""
        names = ("history", "recent_events", "exclusions", "session_gap_ms", "count_limit")
        _require(self, [(name, ">= 1", getattr(self, name) >= 1) for name in names])


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionParams:
    """Item-to-item transitions, see `models.transitions.rows`."""

    window: int = 10
    """Last items of the user that a new item is counted after, and scored from."""
    decay: float = 0.8
    """Weight of each step further back."""
    norm: float = 0.3
    """Exponent of popularity at both ends."""
    backward: float = 0.4
    """Weight of what came before an item among what follows it; orders that say little want it."""
    repeats: bool = False
    """Whether an item may follow itself: where items may be recommended again."""
    successors: int = 400
    """Entries kept in an item's row when it overflows (at twice this)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighbourParams:
    """Session neighbours, see `models.neighbours.share`."""

    places: int = 100
    """Last places M kept of an item."""
    neighbours: int = 100
    """Most similar sequences K that are listened to."""
    sequences: int = 1 << 17
    """Sequences S kept: users, or sessions. The one unused longest goes first."""
    length: int = 256
    """Last items L kept of a sequence; rounded up to a power of two."""
    kept: int = 1 << 22
    """Items kept of all sequences together, four bytes each; they are given out by 32."""
    recent: int = 20
    """Last items of the user that neighbours are looked for by."""
    decay: float = 0.9
    """Weight of each step further back."""
    reach: int = 10
    """Items heard on either side of the one that is shared."""
    before: float = 0.6
    """Weight of those before it."""
    smoothing: float = 1e-3
    """Added to the share before its logarithm."""

    def __post_init__(self) -> None:
        """Refuse bounds that leave no room, and those whose similarities would not fit."""
        _require(
            self,
            [
                ("places", "in 1 .. 10000", 1 <= self.places <= 10_000),
                ("neighbours", ">= 1", self.neighbours >= 1),
                ("sequences", "in 1 .. 4194304", 1 <= self.sequences <= 1 << 22),
                ("length", "in 1 .. 65536", 1 <= self.length <= 1 << 16),
                ("kept", ">= 1", self.kept >= 1),
                ("recent", "in 1 .. 64", 1 <= self.recent <= 64),
                ("decay", "in 0 .. 1", 0 < self.decay <= 1),
                ("reach", ">= 0", self.reach >= 0),
                ("before", ">= 0", self.before >= 0 and isfinite(self.before)),
                ("smoothing", "> 0", self.smoothing > 0),
            ],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingParams:
    """Transitions + factors, see `models.ranking.model`."""

    factors: int = 32
    negatives: int = 2
    context: int = 0
    """Last items that are context of the factors; 0: pairwise steps without context."""
    context_decay: float = 0.6
    """Weight of each step further back."""
    rate: float = 0.02
    """AdaGrad rate of the factors."""
    bias_rate: float = 0.05
    decay: float = 0.0
    """L2 decay of the factors per update."""
    smoothing: float = 1e-4
    """Added to the transition share before its logarithm."""
    source_decay: float = 0.8
    """Weight of each step further back among the user's last items, where items are scored from
    them; what is learnt has `TransitionParams.decay`."""
    source_norm: float = 0.3
    """Exponent of their popularity there; what is learnt has `TransitionParams.norm`."""
    factors_weight: float = 1.0
    """Weight of factors in scores; 1 at most, or lists could not do without a look at every item,
    see `models.items.bounds`."""
    neighbours: float = 0.0
    """Weight of session neighbours; 0: none are kept."""
    popularity: bool = True
    """Whether popularity is a component, weighed by what it brings."""
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    adaptive: bool = True
    """Whether `source_decay`, `source_norm`, `factors_weight` and `neighbours` find themselves from
    there on, see `models.ranking.knobs`."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what scores cannot be made with."""
        _require(
            self,
            [
                ("source_decay", "in 0 .. 1", 0 < self.source_decay <= 1),
                ("source_norm", "in 0 .. 1", 0 <= self.source_norm <= 1),
                ("factors_weight", "in 0 .. 1", 0 < self.factors_weight <= 1),
            ],
        )


MODELS: Mapping[str, RankingParams] = {
    "light": RankingParams(),
    "full": RankingParams(
        factors=64,
        negatives=64,
        context=6,
        rate=0.1,
        bias_rate=0.02,
        smoothing=1e-5,
        source_norm=0.6,
        factors_weight=0.6,
        neighbours=0.5,
        radius=8.0,
    ),
}
"""The ranking model by name; `full` is a compromise of ml-1m, ml-100k and DIGINETICA."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RatingParams:
    """Biased MF by SGD, see `models.rating.biased`."""

    factors: int = 32
    rate: float = 0.1
    bias_rate: float = 0.05
    decay: float = 0.02
    bias_decay: float = 0.02
    lowest: float = 0.5
    highest: float = 5.0
    """Of a scale about four wide; others are turned into one, see `models.rating.stars`."""
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    support: int = 20
    """Items with fewer ratings are recommended last."""
    seed: int = 1


GROWTH = 4.0
"""Drift raises a variance of a filter to so many times its first value at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KalmanParams:
    """Biased MF with a variance for every number, see `models.rating.kalman`.

    Variances are in squared stars of a scale that is about four wide; the defaults hold for sets
    of a hundred thousand ratings and of a million alike.
    """

    factors: int = 8
    history: int = 60
    """Last rated items of the user that stand for their taste next to the factors; 0: none."""
    noise: float = 0.85
    """Variance of a rating whose mean is known."""
    user_variance: float = 0.325
    """Of a user's factors before their first rating, as the three that follow."""
    item_variance: float = 0.066
    user_bias_variance: float = 0.15
    item_bias_variance: float = 0.3
    user_drift: float = 4.7e-4
    """Added to the variance at every rating: what is known of users ages; as the next three."""
    item_drift: float = 4.9e-6
    user_bias_drift: float = 5e-4
    item_bias_drift: float = 0.0
    session_variance: float = 0.08
    """Of the mood of a session."""
    session_gap_ms: int = 600_000
    """Event time without a rating after which another session begins."""
    session_keep: float = 0.7
    """Share of the mood that lasts into the next session."""
    history_rate: float = 0.073
    history_decay: float = 0.005
    history_deviation: float = 0.03
    """Standard deviation that an item's part in histories starts with."""
    deviation: float = 0.05
    """Standard deviation that factors start with."""
    lowest: float = 0.5
    highest: float = 5.0
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    support: int = 20
    """Items with fewer ratings are recommended last."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what would leave a variance without a meaning."""
        positive = (
            "noise", "user_variance", "item_variance", "user_bias_variance",
            "item_bias_variance", "session_variance", "radius",
        )  # fmt: skip
        least = (
            "history", "user_drift", "item_drift", "user_bias_drift", "item_bias_drift",
            "session_gap_ms", "history_rate", "history_decay", "history_deviation", "deviation",
            "support",
        )  # fmt: skip
        _require(self, [(name, "> 0", getattr(self, name) > 0) for name in positive])
        _require(self, [(name, ">= 0", getattr(self, name) >= 0) for name in least])
        _require(self, [
            ("factors", ">= 1", self.factors >= 1),
            ("session_keep", "a share", 0 <= self.session_keep <= 1),
            ("lowest", "< highest", self.lowest < self.highest),
        ])  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class RefitParams:
    """Biased MF that is fitted to the whole past now and then, see `models.rating.refit`."""

    factors: int = 32
    rate: float = 0.04
    """Of the one step that a rating takes when it comes, as the three that follow."""
    bias_rate: float = 0.05
    decay: float = 0.02
    bias_decay: float = 0.02
    epochs: int = 10
    """Passes over the past at every refit."""
    refit_rate: float = 0.01
    """Of the steps of a refit, of biases and factors alike, as the two that follow."""
    refit_decay: float = 0.08
    refit_bias_decay: float = 0.02
    user_rate: float = 0.15
    """Of the step that a user's factors take where the items' stay, see `models.rating.fold`."""
    deviation: float = 0.05
    """Standard deviation that factors start with."""
    lowest: float = 0.5
    highest: float = 5.0
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to learn."""
        names = ("factors", "epochs")
        _require(self, [(name, ">= 1", getattr(self, name) >= 1) for name in names])
        _require(self, [("lowest", "< highest", self.lowest < self.highest)])


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
    """What an event must look like to be taken in, see `operators.stages.decode`.

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
        _require(self, checks)
