"""Rules between keys: each names the keys it ties together, so that all broken ones are told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conf.client.letter_key import bytes_of
from conf.parameters import (
    ranking_params,
    rating_width,
    slate_params,
    usual_rewards,
    wants_deep,
)
from conf.schema import JobConfig
from conf.section import Problem
from conf.written import written
from state import record_sizes

TOLERATED_FAILURES = 5
"""Checkpoints in a row that may fail: the first ones do where Python workers still start."""


@dataclass(frozen=True)
class Rule:
    """`key` is to blame when the rule does not hold; `other` is what it is compared with."""

    key: str
    other: str
    expected: str
    holds: Callable[[JobConfig], bool]

    @property
    def keys(self) -> tuple[str, str]:
        """Return both keys."""
        return self.key, self.other


def _entries(config: JobConfig) -> int:
    """Return the most successors and occurrences of an item that travel."""
    kept = config.learning.neighbours.occurrences if ranking_params(config).neighbour_weight else 0
    return config.items.successors + kept


def _factors(config: JobConfig) -> int:
    ranking = ranking_params(config)
    twice = 2 if ranking.context else 1  # factors as context, too
    return max(twice * ranking.factors, rating_width(config))


def _room(config: JobConfig) -> int:
    """Return the bytes a record's key, value and headers may take together."""
    return config.kafka.max_record_bytes - record_sizes.OVERHEAD


def _open_for(config: JobConfig) -> int:
    """Return how long a transaction may be open while the job runs, ms.

    It begins with one checkpoint and is committed once a later one is complete: as many as are
    tolerated may fail in between, each by its timeout, an interval after the one before.
    """
    flink = config.flink
    return (1 + TOLERATED_FAILURES) * (flink.checkpoint_timeout + flink.checkpoint_interval)


def _rewarded(config: JobConfig) -> set[str]:
    """Return the event types that feedback takes for actions."""
    if config.feedback.rewards is not None:
        return set(config.feedback.rewards)
    return set(usual_rewards(config))


def _topics_differ(config: JobConfig) -> bool:
    names = config.kafka.topics.model_dump()
    if not config.feedback.enabled:
        del names["feedback"]
    return len(set(names.values())) == len(names)


RULES = (
    Rule(
        "kafka.transaction_timeout",
        "flink.checkpoint_timeout",
        f"more than {1 + TOLERATED_FAILURES} times flink.checkpoint_timeout and"
        " flink.checkpoint_interval together, or open transactions expire while checkpoints may"
        " still fail; raise it, and the broker's transaction.max.timeout.ms where that is less, or"
        " lower flink.checkpoint_timeout",
        lambda c: c.kafka.delivery != "exactly-once" or c.kafka.transaction_timeout > _open_for(c),
    ),
    Rule("kafka.topics", "kafka.topics", "a name of its own for each topic", _topics_differ),
    Rule(
        "events.rating_min",
        "events.rating_max",
        "less than events.rating_max",
        lambda c: c.events.rating_min < c.events.rating_max,
    ),
    Rule(
        "events.weights",
        "events.weights",
        "a positive weight for at least one event type, or nothing is learnt",
        lambda c: any((weight or 0) > 0 for weight in c.events.weights.values()),
    ),
    Rule(
        "events.weights",
        "events.weights",
        "a weight for events.rating_type, whose value is checked (0 only counts it)",
        lambda c: c.events.weights.get(c.events.rating_type) is not None,
    ),
    Rule(
        "events.default_type",
        "events.weights",
        "an event type that events.weights knows",
        lambda c: (
            c.events.default_type is None or c.events.weights.get(c.events.default_type) is not None
        ),
    ),
    Rule(
        "events.weights",
        "learning.objective",
        "a positive weight for events.rating_type, which learning.objective asks for",
        lambda c: (
            c.learning.objective != "rating"
            or (c.events.weights.get(c.events.rating_type) or 0) > 0
        ),
    ),
    Rule(
        "feedback.impression_type",
        "events.weights",
        "an event type of weight 0 in events.weights while feedback.enabled",
        lambda c: not c.feedback.enabled or c.events.weights.get(c.feedback.impression_type) == 0,
    ),
    Rule(
        "feedback.window",
        "users.ttl",
        "less than a third of users.ttl with feedback.lateness, or users are evicted before their"
        " impressions are decided",
        lambda c: (
            not c.feedback.enabled or 3 * (c.feedback.window + c.feedback.lateness) < c.users.ttl
        ),
    ),
    Rule(
        "feedback.enabled",
        "recommend.enabled",
        "false where nothing is recommended",
        lambda c: not c.feedback.enabled or c.recommend.enabled,
    ),
    Rule(
        "feedback.ignored_weight",
        "feedback.enabled",
        "0 where feedback is off, of each arm, too: nobody knows what was ignored",
        lambda c: c.feedback.enabled or not slate_params(c).notes_ignored,
    ),
    Rule(
        "feedback.rewards",
        "events.weights",
        "event types that events.weights knows, other than feedback.impression_type",
        lambda c: all(
            c.events.weights.get(kind) is not None and kind != c.feedback.impression_type
            for kind in c.feedback.rewards or ()
        ),
    ),
    Rule(
        "feedback.value_types",
        "feedback.rewards",
        "event types with a reward",
        lambda c: set(c.feedback.value_types) <= _rewarded(c),
    ),
    Rule(
        "recommend.repeats",
        "events.weights",
        "event types that events.weights knows",
        lambda c: c.recommend.repeats.keys() - {""} <= c.events.weights.keys(),
    ),
    Rule(
        "serve.boards",
        "events.weights",
        "event types that events.weights knows",
        lambda c: all(
            c.events.weights.get(kind) is not None
            for board in c.serve.boards.values()
            for kind in board.events
        ),
    ),
    Rule(
        "trending.window",
        "users.ttl",
        "less than users.ttl, with trending.lateness, while privacy.counts_epsilon is set, or users"
        " are forgotten while they are still counted",
        lambda c: (
            c.privacy.counts_epsilon is None
            or c.trending.window + c.trending.lateness < c.users.ttl
        ),
    ),
    Rule(
        "users.session_gap",
        "users.ttl",
        "at most users.ttl, or users are forgotten in mid-session",
        lambda c: c.users.session_gap <= c.users.ttl,
    ),
    Rule(
        "items.buckets",
        "users.buckets",
        "at most users.buckets, which is the maximum parallelism",
        lambda c: c.items.buckets <= c.users.buckets,
    ),
    Rule(
        "items.chunks",
        "items.buckets",
        "at least items.buckets: a bucket publishes whole chunks",
        lambda c: c.items.chunks >= c.items.buckets,
    ),
    Rule(
        "items.successors",
        "kafka.max_record_bytes",
        "few enough for one item to fit into a record of kafka.max_record_bytes",
        lambda c: (
            record_sizes.chunk(1, _entries(c), _factors(c), c.events.max_id_bytes) <= _room(c)
        ),
    ),
    Rule(
        "recommend.k",
        "kafka.max_record_bytes",
        "few enough for a list of the longest ids to fit into kafka.max_record_bytes",
        lambda c: record_sizes.recommendation(c.recommend.k, c.events.max_id_bytes) <= _room(c),
    ),
    Rule(
        "items.publish_interval",
        "items.window",
        "at least items.window: nothing changes in between",
        lambda c: c.items.publish_interval >= c.items.window,
    ),
    Rule(
        "learning.transitions.window",
        "users.history",
        "at most users.history: more is not remembered",
        lambda c: c.learning.transitions.window <= c.users.history,
    ),
    Rule(
        "deep.length",
        "users.history",
        "at most users.history: 'sasrec' looks at no more than is remembered",
        lambda c: c.deep.network != "sasrec" or c.deep.length <= c.users.history,
    ),
    Rule(
        "deep.layers",
        "deep.network",
        "1: 'ncf' has one hidden layer",
        lambda c: c.deep.network != "ncf" or c.deep.layers == 1,
    ),
    Rule(
        "deep.dim",
        "deep.network",
        "an even number: 'sasrec' has two heads",
        lambda c: c.deep.network != "sasrec" or (c.deep.dim or 0) % 2 == 0,
    ),
    Rule(
        "fine_tune.processes",
        "fine_tune.differential_privacy.enabled",
        "1: a private round is trained by one process",
        lambda c: c.fine_tune.processes == 1 or not c.fine_tune.differential_privacy.enabled,
    ),
    Rule(
        "deep.network",
        "fine_tune.differential_privacy.enabled",
        "another network than ncf, which learns an embedding of each user's own",
        lambda c: c.deep.network != "ncf" or not c.fine_tune.differential_privacy.enabled,
    ),
    Rule(
        "learning.objective",
        "fine_tune.differential_privacy.enabled",
        "ranking, or deep.enabled=false: a refit of ratings has factors of each user's own",
        lambda c: (
            not (
                c.learning.objective == "rating"
                and wants_deep(c)
                and c.fine_tune.differential_privacy.enabled
            )
        ),
    ),
    Rule(
        "privacy.pseudonym_key",
        "privacy.dead_letter_key",
        "null, or a privacy.dead_letter_key beside it: dead letters hold ids",
        lambda c: c.privacy.pseudonym_key is None or c.privacy.dead_letter_key is not None,
    ),
    Rule(
        "privacy.former_pseudonym_key",
        "privacy.pseudonym_key",
        "null, or another key than privacy.pseudonym_key",
        lambda c: (
            c.privacy.former_pseudonym_key is None
            or (
                c.privacy.pseudonym_key is not None
                and bytes_of(c.privacy.former_pseudonym_key) != bytes_of(c.privacy.pseudonym_key)
            )
        ),
    ),
    Rule(
        "privacy.recommendations_by",
        "privacy.pseudonym_key",
        "id, or a privacy.pseudonym_key beside it",
        lambda c: c.privacy.recommendations_by == "id" or c.privacy.pseudonym_key is not None,
    ),
    Rule(
        "events.rating_centre",
        "events.rating_max",
        "from events.rating_min to less than events.rating_max, or null",
        lambda c: (
            c.events.rating_centre is None
            or c.events.rating_min >= c.events.rating_max  # told already
            or c.events.rating_min <= c.events.rating_centre < c.events.rating_max
        ),
    ),
    Rule(
        "trending.hop",
        "trending.window",
        "a divisor of trending.window",
        lambda c: c.trending.window % c.trending.hop == 0,
    ),
    Rule(
        "trending.top",
        "recommend.k",
        "at least recommend.k, or a new user's list stays short",
        lambda c: c.trending.top >= c.recommend.k,
    ),
    Rule(
        "flink.parallelism",
        "users.buckets",
        "at most users.buckets, which is the maximum parallelism",
        lambda c: c.flink.parallelism <= c.users.buckets,
    ),
    Rule(
        "flink.micro_batch",
        "flink.checkpoint_interval",
        "less than flink.checkpoint_interval",
        lambda c: c.flink.micro_batch < c.flink.checkpoint_interval,
    ),
    Rule(
        "flink.bundle_time",
        "flink.checkpoint_interval",
        "less than flink.checkpoint_interval: a checkpoint waits for the bundle",
        lambda c: c.flink.bundle_time < c.flink.checkpoint_interval,
    ),
)


def broken_rules(config: JobConfig) -> Iterator[Problem]:
    """Yield a problem for each rule that the configuration breaks."""
    for rule in RULES:
        if not rule.holds(config):
            hint = f"{rule.other} is {written(config, rule.other)}"
            yield Problem(
                rule.key,
                rule.expected,
                written(config, rule.key),
                hint if rule.other != rule.key else None,
            )
