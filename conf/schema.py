"""Every knob of the job: name, type, unit, range, default and the reason for the default.

Durations ("15m"), sizes ("64KiB") and days ("2000-01-01") become integers in milliseconds, bytes
and milliseconds since 1970 (`conf.units`). Rules between keys are in `conf.rules`.
"""

import re
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator

from conf import event_plans
from conf.bootstrap import brokers
from conf.deep_rules import DeepRules, FineTuneRules
from conf.kafka_properties import checked_properties
from conf.rating_rules import RatingRules
from conf.repeats import Repeats, hidden_for
from conf.rules import broken_rules
from conf.section import Section, refusal, refuse
from conf.units import Day, Duration, Size, day, duration, size
from models.deep.shape import Shape
from models.items.table import HALF_LIFE_MS
from models.params.events import SENTINEL_PATTERNS, SENTINELS, WEIGHTS, EventPolicy
from models.params.neighbours import NeighbourParams
from models.params.ranking import MODELS, RankingParams
from models.params.rating import KalmanParams, RatingParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from models.users.past import ALWAYS

# what a model learns with, or an event is held against, is its own: defaults are taken from it
_TRANSITIONS, _RANKING = TransitionParams(), RankingParams()
_NEIGHBOURS = NeighbourParams()
_USERS, _EVENTS = UserParams(), EventPolicy()


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        words = "a power of two"
        raise refusal(words)
    return value


def _weights() -> dict[str, float | None]:
    return {**WEIGHTS}


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error:
        words = "a regular expression"
        raise refusal(words) from None
    return pattern


Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")]
EventType = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
Weight = Annotated[float, Field(ge=-1e6, le=1e6)]
FieldPath = Annotated[str, Field(pattern=r"^[^.\s'\"\x00-\x1f\x7f]+(\.[^.\s'\"\x00-\x1f\x7f]+)*$")]
Regular = Annotated[str, AfterValidator(_regular)]
Buckets = Annotated[int, AfterValidator(_power_of_two)]
Properties = Annotated[dict[str, str], PlainValidator(checked_properties)]


class Job(Section):
    """The job as a whole."""

    name: Name = Field(
        default="streamrec", description="Shown by Flink; prefix of Kafka transactional ids."
    )


class Topics(Section):
    """Names of the Kafka topics."""

    user_behavior: Topic = Field(
        default="user_behavior", description="Input: behaviour events, JSON."
    )
    recommendations: Topic = Field(
        default="recommendations", description="Output: newest recommendations by user; compacted."
    )
    dead_letter: Topic = Field(
        default="dead_letter", description="Output: rejected records byte for byte, with headers."
    )
    recommendation_metrics: Topic = Field(
        default="recommendation_metrics", description="Output: quality windows and accounting."
    )
    accepted_events: Topic = Field(
        default="accepted_events", description="Loop: packed accepted events to every subtask."
    )
    model_updates: Topic = Field(
        default="model_updates",
        description="Loop: item rows (Arrow IPC) by item bucket, model pointer; compacted.",
    )
    control: Topic = Field(default="control", description="Input: commands to the job, JSON.")
    control_results: Topic = Field(
        default="control_results", description="Output: answers to the commands."
    )


class Kafka(Section):
    """Where records come from and go to."""

    bootstrap_servers: Annotated[str, BeforeValidator(brokers)] = Field(
        default="localhost:9092",
        description="`host:port[, host:port…]`; an IPv6 address in brackets: `[::1]:9092`.",
    )
    group: Name = Field(
        default="streamrec",
        description="Consumer group whose committed offsets show progress; a job that reads the"
        " same input beside another one needs its own, or `start: committed` goes on where the"
        " other one is.",
    )
    start: Literal["earliest", "latest", "committed"] = Field(
        default="earliest", description="Where a job without restored state starts to read."
    )
    partition_discovery: Annotated[int, Duration("1s", "1d")] = Field(
        default=duration("30s"),
        description="Time between two looks for new partitions of the topics that are read; a new"
        " one is read from its beginning, whatever `kafka.start` says.",
    )
    delivery: Literal["exactly-once", "at-least-once"] = Field(
        default="exactly-once",
        description="Guarantee of the outputs. At least once is visible at once and may repeat.",
    )
    transaction_timeout: Annotated[int, Duration("10s", "1d")] = Field(
        default=duration("15m"),
        description="Longest outage whose open transactions survive; the broker's"
        " `transaction.max.timeout.ms` must allow it (15m unless changed). More than six times"
        " `flink.checkpoint_timeout` and `flink.checkpoint_interval` together: five checkpoints"
        " may fail.",
    )
    partitions: int = Field(
        default=4, ge=1, le=1024, description="Partitions of topics created by `scripts/local`."
    )
    replication: int = Field(
        default=1, ge=1, le=16, description="Replicas of topics created by `scripts/local`."
    )
    loop_retention: Annotated[int, Duration("10m", "30d")] = Field(
        default=duration("6h"),
        description="Retention of `accepted_events` when created; longer than any outage that a"
        " restore shall catch up with event by event.",
    )
    max_record_bytes: Annotated[int, Size("64KiB", "64MiB")] = Field(
        default=size("960KiB"),
        description="Largest record the job writes, as Kafka counts it; what is larger is split or"
        " cut. Topics must take it: their own default is 1 MiB.",
    )
    topics: Topics = Topics()
    properties: Properties = Field(
        default_factory=dict,
        description="Client properties (`security.*`, `sasl.*`, `ssl.*`, `fetch.*`, …), of the job"
        " and of the tools, by the names in `conf/kafka_names.py`; secrets only as `${env:NAME}` or"
        " `${file:PATH}`.",
    )


class EventFields(Section):
    """Where the fields of events are: steps with dots; of several paths the first that leads on."""

    user_id: tuple[FieldPath, ...] = Field(
        default=("user_id",), description="Path of the user's id."
    )
    item_id: tuple[FieldPath, ...] = Field(
        default=("item_id",),
        description="Path of the item's id; inside `items`, from there.",
    )
    event_type: tuple[FieldPath, ...] = Field(
        default=("event_type",), description="Path of the event type."
    )
    timestamp: tuple[FieldPath, ...] = Field(
        default=("timestamp",), description="Path of the event's time."
    )
    event_id: tuple[FieldPath, ...] = Field(
        default=("event_id",),
        description="Path of the event's id; without, content stands for it.",
    )
    value: tuple[FieldPath, ...] = Field(
        default=("value",), description="Path of the value of a rating."
    )
    items: FieldPath | None = Field(
        default=None, description="Path of a list of items, each an event of its own."
    )

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """Take one path for a list of one, and a list for a tuple."""
        if not isinstance(value, dict):
            return value
        several = {name: (path,) if isinstance(path, str) else path for name, path in value.items()}
        several |= {name: tuple(p) for name, p in several.items() if isinstance(p, list)}
        return several | ({"items": value["items"]} if "items" in value else {})

    def paths(self) -> dict[str, tuple[str, ...]]:
        """Return the paths of each field but `items`."""
        return self.model_dump(exclude={"items"})


class EventRules(Section):
    """What a valid event is."""

    plan: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_]{1,40}$",
        description="Preset of the keys below for a common event plan, see `conf/event_plans/`.",
    )
    fields: EventFields = EventFields()
    time: Literal["ms", "s", "us", "iso8601"] = Field(
        default=_EVENTS.time, description="Unit or form of `timestamp`."
    )
    keyed: bool | Literal["json"] = Field(
        default=_EVENTS.keyed,
        description="Record keys are user ids, `json`: as a JSON serialiser writes them, in quotes;"
        " off: keys are something else and not looked at.",
    )
    ignore: Annotated[tuple[EventType, ...], Field(strict=False)] = Field(
        default=_EVENTS.ignore,
        description="Event types that are no item events, such as page views: patterns with `*` and"
        " `?`. Their records are counted by type, and neither learnt nor dead letters; types with a"
        " weight are never among them, nor those whose weight is null.",
    )
    default_type: EventType | None = Field(
        default=None, description="Type of events that have none; null: they are dead letters."
    )
    identity: Literal["event_id", "event_id+item+type"] = Field(
        default=_EVENTS.identity,
        description="What an event is known by: its id, or id, item and type (one id for all lines"
        " of an order).",
    )
    lines: int = Field(
        default=_EVENTS.lines,
        ge=1,
        le=1000,
        description="Most items that one record may list (`events.fields.items`): each is an event"
        " of its own, which all workers learn. A record with more is a dead letter"
        " (`too_many_lines`).",
    )
    without_item: Literal["skip", "refuse"] = Field(
        default=_EVENTS.without_item,
        description="What becomes of a listed item without an id, such as a tip or a gift card:"
        " left out and counted, or the whole record is refused.",
    )
    weights: dict[EventType, Weight | None] = Field(
        default_factory=_weights,
        description="Weight by event type, on top of the defaults, or of those of the plan where it"
        " has some: > 0 is learnt, 0 counted, < 0 hides the item from the user, null refuses the"
        " type.",
    )
    max_bytes: Annotated[int, Size("256B", "1MiB")] = Field(
        default=size("64KiB"), description="Larger values are dead letters without their value."
    )
    max_id_bytes: int = Field(
        default=_EVENTS.max_id_bytes,
        ge=8,
        le=1024,
        description="Longest user, item or event id, bytes of UTF-8.",
    )
    ids: Literal["utf8", "ascii"] = Field(
        default=_EVENTS.ids,
        description="Characters of ids: all but control characters, or visible ASCII only.",
    )
    sentinel_ids: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=SENTINELS,
        description="Ids, in any case, that stand for a missing one: thousands of people would"
        ' share one profile. "0" is not among them, data sets count from it.',
    )
    sentinel_patterns: Annotated[tuple[Regular, ...], Field(strict=False)] = Field(
        default=SENTINEL_PATTERNS,
        description="Regular expressions for the same: nothing but zeros and punctuation.",
    )
    rating_type: EventType = Field(
        default=_EVENTS.rating_type,
        description="Event type whose value is a rating; it must be among the weights.",
    )
    rating_min: float = Field(
        default=_EVENTS.lowest_rating,
        description="Least value of a rating, and predicted. A scale that is 3.5 to 5 wide (1 to 5,"
        " 0.5 to 5) is learnt as it is, any other as 1 to 5; predictions and errors are in the"
        " ratings' own.",
    )
    rating_max: float = Field(
        default=_EVENTS.highest_rating, description="Greatest value of a rating, and predicted."
    )
    rating_centre: float | None = Field(
        default=_EVENTS.rating_centre,
        description="Rating that says nothing: ones above teach `ranking` by their distance, ones"
        " below hide the item; null: every rating is liking.",
    )
    earliest: Annotated[int, Day()] = Field(
        default=day("2000-01-01"),
        description="Older timestamps are refused: seconds sent as milliseconds.",
    )
    max_future: Annotated[int, Duration("0s", "1d")] = Field(
        default=duration("5m"), description="Clock skew of producers that is forgiven."
    )

    @model_validator(mode="before")
    @classmethod
    def _with_usual_weights(cls, value: Any) -> Any:
        """Put the weights given on top of the usual ones: a tool's plan has words of its own."""
        if not isinstance(value, dict):
            return value
        plan, given = value.get("plan"), value.get("weights", {})
        known = event_plans.plan(plan) if plan in event_plans.names() else {}
        usual = known.get("weights") or WEIGHTS
        return {**value, "weights": {**usual, **given} if isinstance(given, dict) else given}


class UserRules(Section):
    """What is remembered of a user."""

    buckets: Buckets = Field(
        default=64,
        ge=1,
        le=32768,
        description="Groups of users that share a state key, and Flink's maximum parallelism."
        " A power of two, fixed for the life of the state.",
    )
    history: int = Field(
        default=64, ge=1, le=4096, description="Last positive items kept: what the models look at."
    )
    past: int = Field(
        default=2048,
        ge=1,
        le=16_384,
        description="Items kept that are not recommended again, 4 bytes each (8 where some come"
        " back after a time); those of purchases stay while others leave.",
    )
    recent_events: int = Field(
        default=_USERS.recent_events,
        ge=1,
        le=4096,
        description="Newest events by event time whose repeats are recognised; 20 bytes each.",
    )
    lateness: Annotated[int, Duration("1s", "365d")] = Field(
        default=_USERS.lateness_ms,
        description="An event no older than this against the user's newest is never late; an older"
        " one may be, if it is also older than the `recent_events`.",
    )
    count_window: Annotated[int, Duration("1s", "365d")] = Field(
        default=_USERS.count_window_ms,
        description="A user's further events on one item within this event time, and on one that"
        " the user knows within as much time of arrival, teach nobody else: bounded influence."
        " Ratings count once for each type.",
    )
    count_limit: int = Field(
        default=_USERS.count_limit,
        ge=16,
        le=1 << 20,
        description="Items new to a user that teach others within `count_window` of arrival.",
    )
    exclusions: int = Field(
        default=32, ge=1, le=4096, description="Last disliked or removed items kept."
    )
    ttl: Annotated[int, Duration("1m", "3650d")] = Field(
        default=duration("30d"),
        description="A user idle for longer is forgotten (processing time).",
    )
    session_gap: Annotated[int, Duration("1s", "7d")] = Field(
        default=duration("30m"),
        description="Event-time gap that ends a session; the usual web convention.",
    )


class ItemRules(Section):
    """What is remembered of items."""

    limit: int = Field(
        default=200_000,
        ge=100,
        le=50_000_000,
        description="Most items a worker holds, about 5 KB each with 400 successors; beyond, the"
        " least popular make room, an eighth at most.",
    )
    admission: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Sightings after which a new item is learnt; more than 1 keeps ids that come"
        " once out of a table that is too small.",
    )
    half_life: Annotated[int, Duration("1m", "3650d")] = Field(
        default=HALF_LIFE_MS,
        description="Event time in which an item's popularity halves: as a component of scores, for"
        " users of whom nothing is known, and for who makes room.",
    )
    successors: int = Field(
        default=400,
        ge=10,
        le=10_000,
        description="Next items kept an item; on ml-1m 200 cost 1 % of the hits, 800 bring none.",
    )
    buckets: Buckets = Field(
        default=1,
        ge=1,
        le=1024,
        description="Partitions of the item state; a power of two. Each reads all accepted events,"
        " about 3 µs an event; one is enough for some hundred thousand a second.",
    )
    chunks: int = Field(
        default=1024,
        ge=1,
        le=65_536,
        description="Records that the catalogue is published in; a changed item republishes its"
        " chunk. At least `items.buckets`.",
    )
    window: Annotated[int, Duration("100ms", "10m")] = Field(
        default=duration("5s"), description="Micro-batch of learn-items; its state lags by as much."
    )
    tell_interval: Annotated[int, Duration("0s", "10m")] = Field(
        default=duration("1s"),
        description="Time between two tellings of the factors a worker has moved.",
    )
    tell_bytes_per_second: Annotated[int, Size("1KiB", "1GiB")] = Field(
        default=size("512KiB"), description="Budget of a worker's tellings, oldest moves first."
    )
    publish_interval: Annotated[int, Duration("1s", "1d")] = Field(
        default=duration("30s"), description="Time between two publications of changed item rows."
    )
    publish_bytes_per_second: Annotated[int, Size("1KiB", "1GiB")] = Field(
        default=size("1MiB"),
        description="Budget of `model_updates`, so that it does not drown the loop.",
    )
    restore_bytes_per_second: Annotated[int, Size("1KiB", "1GiB")] = Field(
        default=size("32MiB"),
        description="The same after a restore, until every worker has the whole catalogue again.",
    )


class Transitions(Section):
    """Item-to-item transitions."""

    window: int = Field(
        default=_TRANSITIONS.window,
        ge=1,
        le=100,
        description="Last items of the user that are learnt and scored from.",
    )
    decay: float = Field(
        default=_TRANSITIONS.decay,
        gt=0,
        le=1,
        description="Weight of each step further back where they are learnt; scores have"
        " `learning.ranking.source_decay`.",
    )
    norm: float = Field(
        default=_TRANSITIONS.norm,
        ge=0,
        le=1,
        description="Exponent of popularity at both ends; 0 favours hits. Scores have"
        " `learning.ranking.source_norm` at the user's last items.",
    )
    backward: float = Field(
        default=_TRANSITIONS.backward,
        ge=0,
        le=1,
        description="Weight of what came before an item among what follows it; higher where the"
        " order of events says little.",
    )


def _by_model(name: str) -> str:
    """Return what each ranking model has for a knob, for its description."""
    told = ", ".join(f"`{model}` {getattr(knobs, name):g}" for model, knobs in MODELS.items())
    return f" By default: {told}."


class RankingRules(Section):
    """The ranking model: components, and how their factors are learnt.

    What is null is as the model has it, see `models.params.ranking.MODELS`.
    """

    model: Literal["full", "light"] = Field(
        default="full",
        description="`full`: transitions, sequence-aware factors learnt by a sampled softmax, and"
        " session neighbours. `light`: transitions and pairwise factors; a third of the cost. What"
        " is null below is as the model has it.",
    )
    factors: int | None = Field(
        default=None,
        ge=1,
        le=512,
        description="Latent factors a user and an item." + _by_model("factors"),
    )
    negatives: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Sampled items an event is compared with." + _by_model("negatives"),
    )
    context: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="Last items that are context of the factors; 0: pairwise steps without."
        + _by_model("context"),
    )
    context_decay: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Weight of each of them further back." + _by_model("context_decay"),
    )
    rate: float | None = Field(
        default=None, gt=0, le=1, description="AdaGrad rate of the factors." + _by_model("rate")
    )
    bias_rate: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="AdaGrad rate of the item bias." + _by_model("bias_rate"),
    )
    decay: float = Field(
        default=_RANKING.decay, ge=0, le=1, description="L2 decay of the factors an update."
    )
    smoothing: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Added to a transition share before its logarithm." + _by_model("smoothing"),
    )
    source_decay: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Weight of each step further back among the user's last items, where items are"
        " scored from them." + _by_model("source_decay"),
    )
    source_norm: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Exponent of their popularity there; 0 favours what follows hits."
        + _by_model("source_norm"),
    )
    factors_weight: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Weight of factors in scores." + _by_model("factors_weight"),
    )
    neighbours: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Weight of session neighbours; 0: none are kept." + _by_model("neighbours"),
    )
    adaptive: bool = Field(
        default=_RANKING.adaptive,
        description="Whether `source_decay`, `source_norm`, `factors_weight` and `neighbours`"
        " follow what ranked events (`evaluation.share`) say of them, from where they are set.",
    )
    popularity: bool = Field(
        default=_RANKING.popularity,
        description="Whether popularity is a component: weighed by what it brings to users of as"
        " long a history.",
    )
    radius: float | None = Field(
        default=None,
        gt=0,
        description="Largest norm of a factor vector and largest bias: no input spoils the state."
        + _by_model("radius"),
    )
    seed: int = Field(
        default=_RANKING.seed, ge=0, description="Seed of first factors and of negatives."
    )

    def params(self) -> RankingParams:
        """Return the parameters of the model."""
        given = self.model_dump(exclude={"model"}, exclude_none=True)
        return replace(MODELS[self.model], **given)


class NeighbourRules(Section):
    """Session neighbours: what is kept of the sequences that items occur in."""

    places: int = Field(
        default=_NEIGHBOURS.places, ge=1, le=10_000, description="Last places kept of an item."
    )
    neighbours: int = Field(
        default=_NEIGHBOURS.neighbours,
        ge=1,
        le=10_000,
        description="Most similar sequences that are listened to.",
    )
    sequences: int = Field(
        default=_NEIGHBOURS.sequences,
        ge=1,
        le=1 << 22,
        description="Sequences (users, sessions) kept; the one unused longest goes first.",
    )
    length: int = Field(
        default=_NEIGHBOURS.length, ge=1, le=1 << 16, description="Last items kept of a sequence."
    )
    kept: int = Field(
        default=_NEIGHBOURS.kept,
        ge=1,
        description="Items kept of all sequences together, four bytes each.",
    )
    recent: int = Field(
        default=_NEIGHBOURS.recent,
        ge=1,
        le=64,
        description="Last items of the user that neighbours are looked for by.",
    )
    decay: float = Field(
        default=_NEIGHBOURS.decay, gt=0, le=1, description="Weight of each step further back."
    )
    reach: int = Field(
        default=_NEIGHBOURS.reach,
        ge=0,
        le=1000,
        description="Items heard on either side of the one that is shared.",
    )
    before: float = Field(
        default=_NEIGHBOURS.before, ge=0, le=10, description="Weight of those before it."
    )
    smoothing: float = Field(
        default=_NEIGHBOURS.smoothing,
        gt=0,
        le=1,
        description="Added to the share before its logarithm.",
    )


class Learning(Section):
    """What is learnt, and how."""

    objective: Literal["ranking", "rating"] = Field(
        default="ranking", description="Order items by what comes next, or predict the rating."
    )
    transitions: Transitions = Transitions()
    ranking: RankingRules = RankingRules()
    neighbours: NeighbourRules = NeighbourRules()
    rating: RatingRules = RatingRules()


class Recommend(Section):
    """What is recommended."""

    enabled: bool = Field(default=True, description="Off: the job learns and measures only.")
    k: int = Field(default=10, ge=1, le=100, description="Items in a recommendation.")
    repeats: Annotated[dict[str, int], Repeats()] = Field(
        default_factory=lambda: {"": ALWAYS},
        description="Whether an item that the user had is recommended again: `exclude`, `allow` or"
        " `{after: 30d}`, or one of these by event type: `{view: allow, purchase: {after: 90d}}`.",
    )


class Evaluation(Section):
    """Test, then learn."""

    share: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Share of users whose events are ranked before learning; of more than 20,000"
        " items a smaller one, so that it costs no more.",
    )
    first: int = Field(
        default=500_000,
        ge=0,
        description="Accepted events of a new job until which five times the share of users is"
        " ranked, so that weights of scores are found soon.",
    )
    k: int = Field(default=10, ge=1, le=1000, description="Cut-off of hit rate, NDCG and MRR.")


class Trending(Section):
    """What is popular now: fallback for users without history."""

    window: Annotated[int, Duration("1m", "30d")] = Field(
        default=duration("6h"), description="Event-time window that is counted."
    )
    hop: Annotated[int, Duration("1s", "1d")] = Field(
        default=duration("1h"), description="Time between two counts; divides `trending.window`."
    )
    top: int = Field(default=100, ge=1, le=10_000, description="Items kept of a count.")
    lateness: Annotated[int, Duration("0s", "1d")] = Field(
        default=duration("1m"),
        description="How far an event may lag behind the newest, also of its micro-batch, and still"
        " be counted.",
    )
    sample: int = Field(
        default=16, ge=1, le=10_000, description="Most events of a micro-batch that are counted."
    )


class Metrics(Section):
    """Quality over time."""

    window: Annotated[int, Duration("1s", "1h")] = Field(
        default=duration("10s"), description="Length of a metrics window."
    )
    retention: Annotated[int, Duration("1h", "3650d")] = Field(
        default=duration("7d"),
        description="How long windows are kept: the key of one is used again for the first that"
        " starts so much later.",
    )


class Flink(Section):
    """Settings of the runtime that the job itself makes."""

    parallelism: int = Field(
        default=1, ge=1, le=32768, description="Subtasks; one Python worker each."
    )
    micro_batch: Annotated[int, Duration("10ms", "10s")] = Field(
        default=duration("200ms"),
        description="Events of a bucket collected before they are learnt; 100ms for low latency,"
        " 500ms for throughput.",
    )
    micro_batch_rows: int = Field(
        default=2048,
        ge=64,
        le=1_000_000,
        description="Most events of a micro-batch; a backlog's larger ones are cut before they"
        " reach Python.",
    )
    bundle_size: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Micro-batches in a bundle, the unit of state access.",
    )
    bundle_time: Annotated[int, Duration("5ms", "10s")] = Field(
        default=duration("100ms"),
        description="Longest wait for a full bundle; 20ms for lowest latency.",
    )
    checkpoint_interval: Annotated[int, Duration("500ms", "1h")] = Field(
        default=duration("5s"), description="Exactly-once output becomes visible as often as this."
    )
    checkpoint_timeout: Annotated[int, Duration("10s", "1d")] = Field(
        default=duration("90s"),
        description="A checkpoint that takes longer has failed; five in a row may.",
    )
    restart_time: Annotated[int, Duration("0s", "1h")] = Field(
        default=duration("45s"),
        description="Longest silence of a job that Flink restarts: its longest back-off (30 s here,"
        " 4 s in `conf/flink`) and the start of its workers (10 s were measured). Before a job"
        " starts on topics that another one wrote, it watches them for this and two checkpoint"
        " intervals.",
    )
    state_cache: Annotated[int, Size("64MiB", "1024GiB")] = Field(
        default=size("2GiB"),
        description="Memory of a worker for user records, 4 KiB each; a user beyond costs a call to"
        " the JVM.",
    )


class JobConfig(Section):
    """The whole configuration; every section and every key has a default."""

    job: Job = Job()
    kafka: Kafka = Kafka()
    events: EventRules = EventRules()
    users: UserRules = UserRules()
    items: ItemRules = ItemRules()
    learning: Learning = Learning()
    recommend: Recommend = Recommend()
    deep: DeepRules = DeepRules()
    fine_tune: FineTuneRules = FineTuneRules()
    evaluation: Evaluation = Evaluation()
    trending: Trending = Trending()
    metrics: Metrics = Metrics()
    flink: Flink = Flink()

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        refuse(broken_rules(self))
        return self

    def user_params(self) -> UserParams:
        """Return the bounds of a user's state."""
        hidden = self._hidden().values()
        return UserParams(
            history=self.users.history,
            past=self.users.past if any(hidden) else 0,
            timed=any(0 < ms < ALWAYS for ms in hidden),
            strong=max(weight or 0 for weight in self.events.weights.values()),
            deep_state=self.deep_shape().state if self.wants_deep() else 0,
            recent_events=self.users.recent_events,
            lateness_ms=self.users.lateness,
            count_window_ms=self.users.count_window,
            count_limit=self.users.count_limit,
            by_type=self.learning.objective == "rating",
            exclusions=self.users.exclusions,
            session_gap_ms=self.users.session_gap,
        )

    def _hidden(self) -> dict[str, int]:
        """Return how long an item is hidden after an event of each type that is learnt, ms."""
        weights, repeats = self.events.weights, self.recommend.repeats
        return {name: hidden_for(repeats, name) for name in weights if (weights[name] or 0) > 0}

    def wants_deep(self) -> bool:
        """Return whether the job serves and trains a model beside the online one."""
        learning = self.learning
        return self.deep.enabled and (
            learning.objective == "ranking" or learning.rating.model == "ekf"
        )

    def deep_shape(self) -> Shape:
        """Return the shape of the deep model."""
        return self.deep.shape(ratings=self.learning.objective == "rating")

    def transition_params(self) -> TransitionParams:
        """Return the parameters of item-to-item transitions."""
        return TransitionParams(
            **self.learning.transitions.model_dump(),
            successors=self.items.successors,
            repeats=min(self._hidden().values(), default=1) == 0,
        )

    def neighbour_params(self) -> NeighbourParams:
        """Return the parameters of session neighbours."""
        return NeighbourParams(**self.learning.neighbours.model_dump())

    def ranking_params(self) -> RankingParams:
        """Return the parameters of the ranking objective."""
        return self.learning.ranking.params()

    def rating_params(self) -> RatingParams | KalmanParams:
        """Return the parameters of the rating objective."""
        return self.learning.rating.params(self.events.rating_min, self.events.rating_max)

    def _fields(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the paths of fields; none where events are the project's own."""
        events = self.events
        plain = events.time == "ms" and not events.ignore and events.default_type is None
        if plain and events.fields == EventFields():
            return ()
        return tuple(events.fields.paths().items())

    def _centre(self) -> float | None:
        """Return where liking begins; a rating that is predicted is not weighed by itself."""
        return None if self.learning.objective == "rating" else self.events.rating_centre

    def event_policy(self) -> EventPolicy:
        """Return what a valid event is."""
        weights = self.events.weights.items()
        return EventPolicy(
            weights={name: weight for name, weight in weights if weight is not None},
            hide=self._hidden(),
            rating_type=self.events.rating_type,
            rating_centre=self._centre(),
            identity=self.events.identity,
            fields=self._fields(),
            items=self.events.fields.items or "",
            lines=self.events.lines,
            without_item=self.events.without_item,
            time=self.events.time,
            keyed=self.events.keyed,
            ignore=self.events.ignore,
            refused=frozenset(name for name, weight in weights if weight is None),
            default_type=self.events.default_type or "",
            ids=self.events.ids,
            sentinel_patterns=self.events.sentinel_patterns,
            max_bytes=self.events.max_bytes,
            max_id_bytes=self.events.max_id_bytes,
            sentinel_ids=frozenset(name.lower() for name in self.events.sentinel_ids),
            lowest_rating=self.events.rating_min,
            highest_rating=self.events.rating_max,
            earliest_ms=self.events.earliest,
            max_future_ms=self.events.max_future,
            buckets=self.users.buckets,
        )
