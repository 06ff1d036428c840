"""Keys of serving: lists, their evaluation, trending items, and boards of the lookup service."""

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from conf.section import Section, refusal
from conf.sections.repeats import Repeats
from conf.sections.types import EventType, Name, Weight
from conf.units import Duration, duration
from models.params.slate import Source
from models.users.past import ALWAYS

ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
Condition = Annotated[str, Field(pattern=r"^[^=]{1,100}=.{1,500}$")]
Share = Annotated[float, Field(ge=0, le=0.5)]
UsualBoard = Literal["trending", "popular", "latest"]
"""Boards that are there without being declared."""


class ListRules(Section):
    """Rules of the house: what lists may hold, by the topic `catalog`."""

    hide: Annotated[tuple[Condition, ...], Field(strict=False, max_length=100)] = Field(
        default=(),
        description="Items in no list: `category=NAME` or `ATTRIBUTE=VALUE` of their descriptions.",
    )
    only: Annotated[tuple[Condition, ...], Field(strict=False, max_length=100)] = Field(
        default=(),
        description="Where there are some: only items for which one of them holds are listed.",
    )
    boosts: dict[Condition, Annotated[float, Field(ge=-100, le=100)]] = Field(
        default_factory=dict,
        max_length=100,
        description="What is added to the scores of items, among the best of a user: 0.7 about"
        " doubles their odds; `{category=sale: 0.7}`.",
    )
    most_per_category: int | None = Field(
        default=None, ge=1, le=100, description="Most items of one category in a list."
    )


class ArmRules(Section):
    """What an arm of an experiment does otherwise; what is null is as without it."""

    share: float = Field(
        default=1, gt=0, le=1e6, description="Of all users, relative to that of other arms."
    )
    source: Source = Field(
        default="model",
        description="Who makes the lists: `model`, or a yardstick: `popular` items, `random` ones.",
    )
    deep: bool = Field(default=True, description="Off: without the deep model.")
    exploration: Share | None = Field(default=None, description="Of `recommend.exploration`.")
    ignored_weight: float | None = Field(
        default=None, ge=0, le=100, description="Of `feedback.ignored_weight`."
    )
    rules: ListRules | None = Field(default=None, description="In place of `recommend.rules`.")


class Recommend(Section):
    """Lists of recommendations."""

    enabled: bool = Field(default=True, description="Off: the job learns and measures only.")
    k: int = Field(default=10, ge=1, le=100, description="Items in a recommendation.")
    exploration: Share = Field(
        default=0,
        description="Share of places whose item is drawn from the next best instead of ranked, with"
        " its probability in the record: what is never shown is never learnt.",
    )
    rules: ListRules = ListRules()
    new_item_impressions: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Lists that each item which is described and hardly known is put into, for"
        " users to whom its categories are worth most; one such item a list. 0: none.",
    )
    arms: dict[ArmName, ArmRules] = Field(
        default_factory=dict,
        max_length=16,
        description="Arms of an experiment: `{control: {}, bold: {exploration: 0.1, share: 1}}`;"
        " keys are share, source (`model`, `popular`, `random`), deep, exploration,"
        " ignored_weight and rules. Each user is in one, by a hash.",
    )
    arm_salt: str = Field(
        default="", max_length=100, description="Another text assigns users to arms anew."
    )
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
    """Items that are popular now: the fallback for users without history."""

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


class Board(Section):
    """Items by the weights of their latest events."""

    events: dict[EventType, Weight] = Field(
        min_length=1, description="Weight by event type; other types count nothing."
    )
    window: Annotated[int, Duration("1m", "90d")] = Field(
        default=duration("1d"), description="Event-time window that is counted."
    )
    category: str | None = Field(
        default=None, min_length=1, max_length=500, description="Only items of this category."
    )


class Serve(Section):
    """The lookup service (`scripts/serve`); the job itself looks at none of it."""

    boards: dict[Name, Board] = Field(
        default_factory=dict,
        description="Boards of items by name, at `/v1/boards/NAME`: `{bought: {events: {purchase:"
        " 1}, window: 7d, category: Kitchen}}`; window (1 day) and category may be missing.",
    )

    @field_validator("boards")
    @classmethod
    def _own_names(cls, value: dict[str, Board]) -> dict[str, Board]:
        for name in value.keys() & set(get_args(UsualBoard)):
            words = f"other names than {', '.join(get_args(UsualBoard))}, got {name}"
            raise refusal(words)
        return value
