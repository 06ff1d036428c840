"""Knobs of the rating objective: which model predicts ratings, and how it learns."""

from typing import Annotated, Literal

from pydantic import Field

from conf.section import Section
from conf.units import Duration
from models.params.rating import KalmanParams, RatingParams

_SGD, _EKF = RatingParams(), KalmanParams()
"""What a model learns with is its own: defaults are taken from it."""


class FilterRules(Section):
    """The filter of `ekf`; variances are in squared stars: of ratings as 1 to 5."""

    history: int = Field(
        default=_EKF.history,
        ge=0,
        le=1024,
        description="Last rated items of a user that stand for their taste, 12 bytes each.",
    )
    noise: float = Field(
        default=_EKF.noise, gt=0, description="Variance of a rating whose mean is known."
    )
    user_variance: float = Field(
        default=_EKF.user_variance, gt=0, description="First variance of a user's factors."
    )
    item_variance: float = Field(
        default=_EKF.item_variance, gt=0, description="First variance of an item's factors."
    )
    user_bias_variance: float = Field(
        default=_EKF.user_bias_variance, gt=0, description="First variance of a user's bias."
    )
    item_bias_variance: float = Field(
        default=_EKF.item_bias_variance, gt=0, description="First variance of an item's bias."
    )
    user_drift: float = Field(
        default=_EKF.user_drift,
        ge=0,
        description="Added to the variances of a user's factors a rating: what is known ages.",
    )
    item_drift: float = Field(
        default=_EKF.item_drift, ge=0, description="The same of an item's factors."
    )
    user_bias_drift: float = Field(
        default=_EKF.user_bias_drift, ge=0, description="The same of a user's bias."
    )
    item_bias_drift: float = Field(
        default=_EKF.item_bias_drift, ge=0, description="The same of an item's bias."
    )
    session_variance: float = Field(
        default=_EKF.session_variance, gt=0, description="Variance of the mood of a session."
    )
    session_gap: Annotated[int, Duration("1s", "1d")] = Field(
        default=_EKF.session_gap_ms,
        description="Event time without a rating after which another mood begins.",
    )
    session_keep: float = Field(
        default=_EKF.session_keep,
        ge=0,
        le=1,
        description="Share of the mood that lasts into the next session.",
    )
    history_rate: float = Field(
        default=_EKF.history_rate,
        ge=0,
        le=1,
        description="Rate of what rated items say of a user.",
    )
    history_decay: float = Field(
        default=_EKF.history_decay, ge=0, le=1, description="L2 decay of the same."
    )
    history_deviation: float = Field(
        default=_EKF.history_deviation, ge=0, le=1, description="Standard deviation of its start."
    )
    deviation: float = Field(
        default=_EKF.deviation, ge=0, le=1, description="Standard deviation of first factors."
    )


class RatingRules(Section):
    """Biased matrix factorisation of ratings."""

    model: Literal["ekf", "sgd"] = Field(
        default="ekf",
        description="`ekf`: a diagonal Kalman filter, a session's mood and the items rated last;"
        " smaller errors. `sgd`: one gradient step a rating; learns in a quarter of the time.",
    )
    factors: int | None = Field(
        default=None,
        ge=1,
        le=512,
        description="Latent factors a user and an item. By default:"
        f" `ekf` {_EKF.factors}, `sgd` {_SGD.factors}.",
    )
    filter: FilterRules = FilterRules()
    rate: float = Field(default=_SGD.rate, gt=0, le=1, description="Of `sgd`: rate of the factors.")
    bias_rate: float = Field(
        default=_SGD.bias_rate, ge=0, le=1, description="Of `sgd`: rate of the biases."
    )
    decay: float = Field(
        default=_SGD.decay,
        ge=0,
        le=1,
        description="Of `sgd`: L2 decay of the factors an update.",
    )
    bias_decay: float = Field(
        default=_SGD.bias_decay,
        ge=0,
        le=1,
        description="Of `sgd`: L2 decay of the biases an update.",
    )
    radius: float = Field(
        default=_EKF.radius,
        gt=0,
        description="Largest norm of a factor vector, and largest bias: no input spoils the state.",
    )
    support: int = Field(
        default=_EKF.support,
        ge=0,
        description="Items with fewer ratings are recommended last: their prediction is a guess.",
    )
    seed: int = Field(default=_EKF.seed, ge=0, description="Seed of first factors.")
