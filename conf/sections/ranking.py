"""The ranking objective: transitions, factors, neighbours, and their weights."""

from typing import Literal

from pydantic import Field

from conf.section import Section
from models.params.neighbours import NeighbourParams
from models.params.ranking import MODELS, RankingParams
from models.params.transitions import TransitionParams

# what a model learns with, or an event is held against, is its own: defaults are taken from it
_TRANSITIONS = TransitionParams()
_RANKING = RankingParams()
_NEIGHBOURS = NeighbourParams()


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
    neighbour_weight: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Weight of session neighbours; 0: none are kept."
        + _by_model("neighbour_weight"),
    )
    adaptive: bool = Field(
        default=_RANKING.adaptive,
        description="Whether `source_decay`, `source_norm`, `factors_weight` and `neighbour_weight`"
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


class NeighbourRules(Section):
    """Session neighbours: what is kept of the sequences that items occur in."""

    occurrences: int = Field(
        default=_NEIGHBOURS.occurrences, ge=1, le=10_000, description="Last places kept of an item."
    )
    most_similar: int = Field(
        default=_NEIGHBOURS.most_similar,
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
        description="Items considered on either side of the one that is shared.",
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
