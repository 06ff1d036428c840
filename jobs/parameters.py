"""From the configuration to the operators' parameters."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from conf.parameters import (
    deep_shape,
    event_policy,
    feedback_params,
    letter_key,
    name_params,
    neighbour_params,
    private_counts,
    ranking_params,
    rating_params,
    slate_params,
    transition_params,
    user_params,
    wants_deep,
)
from conf.problems import ConfigError
from conf.schema import JobConfig
from jobs.settings import Settings
from models.deep.privacy import Privacy
from models.keys import origin_of
from operators.fine_tune.params import FineTuneParams
from operators.fine_tune.rounds import RoundParams
from operators.fine_tune.trainer import TrainerParams
from operators.params import LearningParams, LearnItemsParams, LearnUsersParams
from state.events.consent import Consent
from state.keyed.lineage import Lineage, Topic
from state.topics.lease import Lease


def lineage(config: JobConfig, lease: Lease, ids: Mapping[str, str]) -> Lineage:
    """Return what the state of a job that is submitted now belongs to.

    Parameters
    ----------
    ids
        Of topics, by their names, as `jobs.preflight.topic_ids` returns them.
    """
    return Lineage(
        id=lease.run,
        since=lease.at,
        job=config.job.name,
        buckets=config.users.buckets,
        topics={
            role: Topic(name, ids.get(name, "")) for role, name in with_offsets(config).items()
        },
    )


def with_offsets(config: JobConfig) -> dict[str, str]:
    """Return the topics whose offsets the state holds, by what `kafka.topics` calls them."""
    topics = config.kafka.topics
    return {
        "user_behavior": topics.user_behavior,
        "accepted_events": topics.accepted_events,
        "model_updates": topics.model_updates,
        "control": topics.control,
    }


def learn_users(
    config: JobConfig, lease: Lease | None = None, lineage: Lineage | None = None
) -> LearnUsersParams:
    """Return the parameters of learn-users."""
    private = private_counts(config)
    return LearnUsersParams(
        policy=event_policy(config),
        lease=lease,
        lineage=lineage,
        learning=_learning(config),
        deep=wants_deep(config),
        recommend=config.recommend.enabled,
        k=config.recommend.k,
        evaluation_share=config.evaluation.share,
        evaluation_first=config.evaluation.first,
        evaluation_k=config.evaluation.k,
        trending_window_ms=config.trending.window,
        trending_lateness_ms=config.trending.lateness,
        trending_sample=config.trending.sample,
        source_topic=config.kafka.topics.user_behavior,
        job_version=job_version(),
        max_record_bytes=config.kafka.max_record_bytes,
        loop_topics={
            config.kafka.topics.accepted_events: "accepted_events",
            config.kafka.topics.model_updates: "model_updates",
        },
        user_ttl_ms=config.users.ttl,
        feedback=feedback_params(config),
        slate=slate_params(config),
        slate_of=Settings(config.recommend, config.feedback.ignored_weight),
        names=name_params(config),
        letter_key=letter_key(config),
        counted_items=private.items if private else None,
        consent=_consent(config),
    )


def ingest(config: JobConfig) -> LearnUsersParams:
    """Return the parameters of the pipe without a model, whose events are nobody else's.

    A job that receives them on its topics skips and counts them, as those of another job.
    """
    params = learn_users(config)
    origin = origin_of(f"{config.job.name}\npipe", config.kafka.topics.user_behavior)
    return replace(params, learning=replace(params.learning, origin=origin))


def fine_tune(
    config: JobConfig, lease: Lease | None = None, lineage: Lineage | None = None
) -> FineTuneParams:
    """Return the parameters of fine-tune."""
    rules, ratings = config.fine_tune, config.learning.objective == "rating"
    return FineTuneParams(
        round=RoundParams(
            shape=deep_shape(config),
            steps=rules.steps,
            batch=rules.batch,
            new_share=None if rules.replay is None else 1 - rules.replay,
            negatives=rules.negatives,
            rate=rules.rate,
            threads=rules.threads,
            seed=rules.seed,
            memory_bytes=rules.memory,
            tolerance=rules.tolerance,
            scale=_learning(config).scale,
            privacy=_privacy(config),
            # else nobody would find out that it was expected in vain
            expects=config.evaluation.share > 0,
        ),
        trainer=TrainerParams(
            python="" if ratings else rules.python,
            threads=rules.threads,
            processes=1 if ratings else rules.processes,
            nice=rules.nice,
            seconds=rules.time_limit / 1000,
        ),
        store=rules.store or default_store(config.job.name),
        keep=rules.kept_versions,
        every_events=rules.every_events,
        every_ms=rules.every_time,
        least_events=rules.least_events,
        ring_events=rules.kept_events,
        drift=rules.drift,
        job=lease.job if lease else "",
        run=lease.run if lease else "",
        lineage=lineage,
        names=name_params(config),
    )


def _consent(config: JobConfig) -> Consent | None:
    rules = config.privacy
    return None if rules.consent is None else Consent(rules.consent, rules.consent_required)


def _privacy(config: JobConfig) -> Privacy | None:
    rules = config.fine_tune.differential_privacy
    return Privacy(**rules.model_dump(exclude={"enabled"})) if rules.enabled else None


def default_store(job: str) -> str:
    """Return the folder of a job's models where none is configured.

    Raises
    ------
    ConfigError
        If the user has no home.
    """
    try:
        home = os.environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    except RuntimeError:
        message = (
            "fine_tune.store: expected a folder for the models, got none, and a user without a"
            " home; set fine_tune.store, HOME or XDG_DATA_HOME"
        )
        raise ConfigError([message]) from None
    return f"{home}/streamrec/models/{job}"


def check_store(config: JobConfig) -> None:
    """Refuse a job that trains models and has no place for them.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if wants_deep(config) and not config.fine_tune.store:
        default_store(config.job.name)


def learn_items(
    config: JobConfig,
    keys: Sequence[int],
    lease: Lease | None = None,
    lineage: Lineage | None = None,
) -> LearnItemsParams:
    """Return the parameters of learn-items."""
    return LearnItemsParams(
        learning=_learning(config),
        keys=tuple(keys),
        lease=lease,
        lineage=lineage,
        lease_interval_ms=config.flink.checkpoint_interval,
        chunks=config.items.chunks,
        publish_interval_ms=config.items.publish_interval,
        publish_bytes_per_second=config.items.publish_bytes_per_second,
        restore_bytes_per_second=config.items.restore_bytes_per_second,
        max_record_bytes=config.kafka.max_record_bytes,
    )


def job_version() -> str:
    """Return the version of the wheel, `source` when run from a checkout."""
    try:
        return version("streamrec")
    except PackageNotFoundError:
        return "source"


def _learning(config: JobConfig) -> LearningParams:
    return LearningParams(
        objective=config.learning.objective,
        users=user_params(config),
        transitions=transition_params(config),
        ranking=ranking_params(config),
        rating=rating_params(config),
        neighbours=neighbour_params(config),
        deep=deep_shape(config),
        item_limit=config.items.limit,
        admission=config.items.admission,
        half_life_ms=config.items.half_life,
        item_buckets=config.items.buckets,
        delta_ms=config.items.delta_interval,
        delta_bytes_per_second=config.items.delta_bytes_per_second,
        delta_bytes=config.kafka.max_record_bytes // 2,
        origin=origin_of(config.job.name, config.kafka.topics.user_behavior),
    )
