"""From the configuration to the parameters of models: the only place that maps one to the other."""

from dataclasses import replace
from typing import Any

from conf.client.letter_key import bytes_of
from conf.schema import JobConfig
from conf.sections.events import EventFields
from conf.sections.repeats import hidden_for
from conf.sections.serving import ListRules, Recommend
from models.deep.shape import Shape
from models.params.events import EventPolicy
from models.params.feedback import FeedbackParams
from models.params.names import NameParams
from models.params.neighbours import NeighbourParams
from models.params.ranking import MODELS, RankingParams
from models.params.rating import KalmanParams, RatingParams
from models.params.refit import RefitParams
from models.params.slate import Arm, Rules, SlateParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from models.popularity.private import PrivateCounts
from models.users.past import ALWAYS


def user_params(config: JobConfig) -> UserParams:
    """Return the bounds of a user's state."""
    hidden = _hidden(config).values()
    return UserParams(
        history=config.users.history,
        past=config.users.past if any(hidden) else 0,
        timed=any(0 < ms < ALWAYS for ms in hidden),
        strong=max(weight or 0 for weight in config.events.weights.values()),
        deep_state=deep_shape(config).state if wants_deep(config) else 0,
        recent_events=config.users.recent_events,
        lateness_ms=config.users.lateness,
        count_window_ms=config.users.count_window,
        count_limit=config.users.count_limit,
        by_type=config.learning.objective == "rating",
        exclusions=config.users.exclusions,
        session_gap_ms=config.users.session_gap,
    )


def _hidden(config: JobConfig) -> dict[str, int]:
    """Return how long an item is hidden after an event of each type that is learnt, ms."""
    weights, repeats = config.events.weights, config.recommend.repeats
    return {name: hidden_for(repeats, name) for name in weights if (weights[name] or 0) > 0}


def wants_deep(config: JobConfig) -> bool:
    """Return whether the job serves and trains a model beside the online one."""
    learning = config.learning
    return config.deep.enabled and (
        learning.objective == "ranking" or learning.rating.model == "ekf"
    )


def deep_shape(config: JobConfig) -> Shape:
    """Return the shape of the deep model."""
    deep = config.deep
    if config.learning.objective == "rating":
        return Shape(network="mf", dim=deep.dim or RefitParams().factors)
    return Shape(**deep.model_dump(exclude={"enabled", "dim"}), dim=deep.dim or Shape().dim)


def transition_params(config: JobConfig) -> TransitionParams:
    """Return the parameters of item-to-item transitions."""
    return TransitionParams(
        **config.learning.transitions.model_dump(),
        successors=config.items.successors,
        repeats=min(_hidden(config).values(), default=1) == 0,
    )


def neighbour_params(config: JobConfig) -> NeighbourParams:
    """Return the parameters of session neighbours."""
    return NeighbourParams(**config.learning.neighbours.model_dump())


def ranking_params(config: JobConfig) -> RankingParams:
    """Return the parameters of the ranking objective."""
    ranking = config.learning.ranking
    return replace(
        MODELS[ranking.model], **ranking.model_dump(exclude={"model"}, exclude_none=True)
    )


def rating_params(config: JobConfig) -> RatingParams | KalmanParams:
    """Return the parameters of the rating objective."""
    rating = config.learning.rating
    shared: dict[str, Any] = rating.model_dump(
        include={"factors", "radius", "support", "seed"}, exclude_none=True
    )
    shared |= {"lowest": config.events.rating_min, "highest": config.events.rating_max}
    if rating.model == "sgd":
        own = rating.model_dump(include={"rate", "bias_rate", "decay", "bias_decay"})
        return RatingParams(**shared, **own)
    own = rating.filter.model_dump(exclude={"session_gap"})
    return KalmanParams(**shared, **own, session_gap_ms=rating.filter.session_gap)


def _fields(config: JobConfig) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the paths of fields; none where events are the project's own."""
    events = config.events
    plain = events.time == "ms" and not events.ignore and events.default_type is None
    if plain and events.fields == EventFields():
        return ()
    return tuple(events.fields.paths().items())


def _centre(config: JobConfig) -> float | None:
    """Return where liking begins; a rating that is predicted is not weighed by itself."""
    return None if config.learning.objective == "rating" else config.events.rating_centre


def letter_key(config: JobConfig) -> bytes | None:
    """Return the key of dead letters; None where they are not encrypted."""
    text = config.privacy.dead_letter_key
    return None if text is None else bytes_of(text)


def name_params(config: JobConfig) -> NameParams:
    """Return what users are called; those who had no pseudonyms before get some."""
    rules = config.privacy
    texts = (rules.pseudonym_key, rules.former_pseudonym_key)
    key, former = (None if text is None else bytes_of(text) for text in texts)
    return NameParams(
        key=key,
        former_key=former,
        formerly_ids=key is not None,
        outside=rules.recommendations_by == "pseudonym",
    )


def private_counts(config: JobConfig) -> PrivateCounts | None:
    """Return the budget of a count of trending items; None where these are told as they are."""
    rules = config.privacy
    if rules.counts_epsilon is None:
        return None
    return PrivateCounts(
        epsilon=rules.counts_epsilon, delta=rules.counts_delta, items=rules.counts_items
    )


def event_policy(config: JobConfig) -> EventPolicy:
    """Return what a valid event is."""
    weights = config.events.weights.items()
    return EventPolicy(
        weights={name: weight for name, weight in weights if weight is not None},
        hide=_hidden(config),
        rating_type=config.events.rating_type,
        rating_centre=_centre(config),
        identity=config.events.identity,
        fields=_fields(config),
        items=config.events.fields.items or "",
        lines=config.events.lines,
        without_item=config.events.without_item,
        time=config.events.time,
        keyed=config.events.keyed,
        ignore=config.events.ignore,
        refused=frozenset(name for name, weight in weights if weight is None),
        default_type=config.events.default_type or "",
        ids=config.events.ids,
        sentinel_patterns=config.events.sentinel_patterns,
        max_bytes=config.events.max_bytes,
        max_id_bytes=config.events.max_id_bytes,
        sentinel_ids=frozenset(name.lower() for name in config.events.sentinel_ids),
        lowest_rating=config.events.rating_min,
        highest_rating=config.events.rating_max,
        earliest_ms=config.events.earliest,
        max_future_ms=config.events.max_future,
        buckets=config.users.buckets,
    )


def feedback_params(config: JobConfig) -> FeedbackParams | None:
    """Return how impressions are joined with actions; None where they are not."""
    rules = config.feedback
    if not rules.enabled:
        return None
    return FeedbackParams(
        impression_type=rules.impression_type,
        window_ms=rules.window,
        lateness_ms=rules.lateness,
        lists=rules.lists,
        rewards=usual_rewards(config) if rules.rewards is None else rules.rewards,
        value_types=frozenset(rules.value_types),
        value_cap=rules.value_cap,
        notes_ignored=slate_params(config).notes_ignored,
        ignored_half_life_ms=rules.ignored_half_life,
    )


def usual_rewards(config: JobConfig) -> dict[str, float]:
    """Return rewards by event type where none are given: a rating may be a bad one."""
    weights = {kind: w for kind, w in config.events.weights.items() if w and w > 0}
    weights.pop(config.events.rating_type, None)
    return {kind: weight / max(weights.values()) for kind, weight in weights.items()}


def slate_params(config: JobConfig) -> SlateParams:
    """Return how lists are made of what the model says."""
    return slate_by(config.recommend, config.feedback.ignored_weight)


def slate_by(rules: Recommend, ignored_weight: float) -> SlateParams:
    """Return how lists are made by the section `recommend` and `feedback.ignored_weight`."""
    usual = Arm(
        exploration=rules.exploration,
        ignored_weight=ignored_weight,
        rules=_rules(rules.rules),
    )
    arms = tuple(
        replace(
            usual,
            name=name,
            rules=_rules(own.rules or rules.rules),
            **own.model_dump(exclude_none=True, exclude={"rules"}),
        )
        for name, own in rules.arms.items()
    )
    return SlateParams(
        arms=arms or (usual,),
        salt=rules.arm_salt,
        new_item_impressions=rules.new_item_impressions,
    )


def _rules(rules: ListRules) -> Rules:
    return Rules(
        hide=rules.hide,
        only=rules.only,
        boosts=tuple(rules.boosts.items()),
        most_per_category=rules.most_per_category or 0,
    )


def rating_width(config: JobConfig) -> int:
    """Return how many numbers of an item travel in the rating objective, besides what all have."""
    rating = config.learning.rating
    if rating.model == "sgd":
        return rating.factors or RatingParams().factors
    # what it says of its users, a variance of each factor, and one of the bias
    return 3 * (rating.factors or KalmanParams().factors) + 1
