"""Knobs of the deep model: how it is served, and when and how it is trained from the stream."""

from typing import Annotated, Literal

from pydantic import Field

from conf.section import Section
from conf.units import Duration, Size, duration, size
from models.deep.shape import Shape
from models.params.refit import RefitParams

_SHAPE, _REFIT = Shape(), RefitParams()
"""Sizes are the model's own: defaults are taken from it."""


class DeepRules(Section):
    """The deep model: served from keyed state, fine-tuned from the stream."""

    enabled: bool = Field(
        default=True,
        description="Off: neither state nor training of a model beside the online one. Of the"
        " objective `rating` it is `mf`, a factorisation refitted to the kept ratings; beside"
        " `learning.rating.model: sgd` there is none.",
    )
    network: Literal["recurrent", "sasrec", "ncf"] = Field(
        default="recurrent",
        description="Gated linear recurrence, whose state is one vector a layer; self-attention"
        " over the last items, which looks at them anew each time; or neural collaborative"
        " filtering, which knows only users it was trained on. Of the objective `ranking`.",
    )
    dim: int | None = Field(
        default=None,
        ge=4,
        le=512,
        description="Length of embeddings; of `ncf` also units of the hidden layer; of `mf` the"
        f" factors. By default {_SHAPE.dim}, of `mf` {_REFIT.factors}.",
    )
    width: int = Field(
        default=_SHAPE.width,
        ge=4,
        le=1024,
        description="Length of a layer's state, 4 bytes each; units of a tower of `ncf`; without"
        " effect on `sasrec`.",
    )
    layers: int = Field(default=_SHAPE.layers, ge=1, le=4, description="Layers; 1 for `ncf`.")
    length: int = Field(
        default=_SHAPE.length,
        ge=2,
        le=1024,
        description="Events of a training sequence; `ncf` learns each as a pair.",
    )


class DifferentialPrivacyRules(Section):
    """User-level differential privacy of the deep model's weights."""

    enabled: bool = Field(
        default=False,
        description="On: gradients are clipped a user and noised (DP-SGD).",
    )
    epsilon: float = Field(
        default=8.0, gt=0, le=1000, description="Budget over all rounds; then none begins any more."
    )
    delta: float = Field(
        default=1e-6, gt=0, lt=1, description="Far less than 1 / users: chance that epsilon fails."
    )
    clip: float = Field(default=1.0, gt=0, le=1e6, description="Largest norm of a user's gradient.")
    noise: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="Noise multiplier: standard deviation of the noise in units of `clip`.",
    )


class FineTuneRules(Section):
    """Rules of training: when and how the deep model is trained from the stream."""

    every_events: int = Field(
        default=50_000, ge=0, description="Positive events between two rounds; 0 = not by number."
    )
    every_time: Annotated[int, Duration("0s", "30d")] = Field(
        default=duration("30m"), description="Time between two rounds; 0s = not by time."
    )
    drift: bool = Field(
        default=True, description="Whether a rise of the loss of what is served begins a round."
    )
    least_events: int = Field(
        default=1_000, ge=1, description="New events below which no round begins by time."
    )
    kept_events: int = Field(
        default=5_000_000,
        ge=1_000,
        le=200_000_000,
        description="Newest events kept for training, 24 bytes each (ratings 28), in state and on"
        " local disk;"
        " a fifth as many older ones of some users come on top.",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Steps of a round, at most: few events take fewer, but 50. By default 1,000;"
        " `ncf` and private rounds take 250, or all that are set; without effect on `mf`.",
    )
    batch: int = Field(
        default=64,
        ge=1,
        le=65_536,
        description="Rows of a step, `deep.length` events each, filled with users' sequences; of"
        " `ncf` and private rounds sequences.",
    )
    replay: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of sequences that are not of this round. By default 0.7; 0.4 of `ncf`"
        " and private rounds.",
    )
    negatives: int = Field(
        default=1024, ge=1, le=65_536, description="Sampled items a step; of `ncf` 4 a pair."
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Highest rate of AdamW, of embeddings a third of it; it rises for a tenth of"
        " the steps and falls by a cosine. By default 6e-3; of `ncf` and private rounds 1e-3, the"
        " same for all and all along.",
    )
    tolerance: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Relative loss of NDCG@10 on held-out users that the gate forgives; of `mf`"
        " the rise of the RMSE on the newest ratings.",
    )
    store: str = Field(
        default="",
        description="Folder or URI (file, s3, gs, hdfs) of the models, for all workers to read;"
        " empty = `~/.local/share/streamrec/models/<job.name>` of the submitting user.",
    )
    kept_versions: int = Field(default=5, ge=2, le=1000, description="Versions kept in the store.")
    python: str = Field(
        default="python3",
        description="Interpreter of an environment with torch (`scripts/setup --train`), where"
        " fine-tune runs; `mf` needs none, and is trained by the job's own.",
    )
    threads: int = Field(default=1, ge=1, le=256, description="Threads of the trainer.")
    processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that train one model together (data-parallel, torchrun).",
    )
    nice: int = Field(default=10, ge=0, le=19, description="How far the trainer stands back.")
    memory: Annotated[int, Size("512MiB", "1024GiB")] = Field(
        default=size("16GiB"), description="Most memory the trainer may use for data."
    )
    time_limit: Annotated[int, Duration("10s", "7d")] = Field(
        default=duration("1h"), description="A trainer that takes longer is ended."
    )
    slot_group: str = Field(
        default="",
        pattern=r"^[a-zA-Z0-9_-]*$",
        description="Slot sharing group of fine-tune, to place it on a machine of its own; empty ="
        " that of the others.",
    )
    seed: int = Field(default=1, ge=0, description="Seed of every random choice of the trainer.")
    differential_privacy: DifferentialPrivacyRules = DifferentialPrivacyRules()
