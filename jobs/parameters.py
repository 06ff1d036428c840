"""From the configuration to the operators' parameters."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from conf.schema import JobConfig
from operators.params import LearningParams, LearnItemsParams, LearnUsersParams


def learn_users(config: JobConfig) -> LearnUsersParams:
    """Return the parameters of learn-users."""
    return LearnUsersParams(
        policy=config.event_policy(),
        learning=_learning(config),
        deep=config.deep.enabled and config.learning.objective == "ranking",
        recommend=config.recommend.enabled,
        k=config.recommend.k,
        evaluation_share=config.evaluation.share,
        evaluation_k=config.evaluation.k,
        trending_sample=config.trending.sample,
        source_topic=config.kafka.topics.user_behavior,
        job_version=job_version(),
        max_record_bytes=config.kafka.max_record_bytes,
        user_ttl_ms=config.users.ttl,
    )


def learn_items(config: JobConfig, keys: Sequence[int]) -> LearnItemsParams:
    """Return the parameters of learn-items."""
    return LearnItemsParams(
        learning=_learning(config),
        keys=tuple(keys),
        chunks=config.items.chunks,
        publish_interval_ms=config.items.publish_interval,
        publish_bytes_per_second=config.items.publish_bytes_per_second,
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
        users=config.user_params(),
        transitions=config.transition_params(),
        ranking=config.ranking_params(),
        rating=config.rating_params(),
        deep=config.deep_shape(),
        item_limit=config.items.limit,
    )
