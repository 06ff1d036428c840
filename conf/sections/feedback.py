"""Keys of feedback: impressions, and what users do with what they are shown."""

from typing import Annotated

from pydantic import Field

from conf.section import Section
from conf.sections.types import EventType
from conf.units import Duration
from models.params.feedback import FeedbackParams

_FEEDBACK = FeedbackParams()
Reward = Annotated[float, Field(gt=0, le=1e6)]


class FeedbackRules(Section):
    """Impressions joined with what the user does next: topic `feedback`."""

    enabled: bool = Field(
        default=False,
        description="On: the job remembers the last lists of each user, joins impressions of their"
        " items with what the user does next, and writes each outcome to `kafka.topics.feedback`.",
    )
    impression_type: EventType = Field(
        default=_FEEDBACK.impression_type,
        description="Event type of impressions, also of those that `shown=true` of the lookup"
        " service sends; it needs the weight 0.",
    )
    window: Annotated[int, Duration("1s", "7d")] = Field(
        default=_FEEDBACK.window_ms,
        description="Event time after an impression in which an action counts for it.",
    )
    lateness: Annotated[int, Duration("0s", "1d")] = Field(
        default=_FEEDBACK.lateness_ms,
        description="How far events of a user may come out of order; an outcome waits as long.",
    )
    lists: int = Field(
        default=_FEEDBACK.lists,
        ge=1,
        le=100,
        description="Last recommendations of a user whose impressions are joined; those of older"
        " ones are counted as expired.",
    )
    rewards: dict[EventType, Reward] | None = Field(
        default=None,
        description="What an action is worth, by event type; null: `events.weights` of the types"
        " with a positive one but `events.rating_type`, as shares of the greatest.",
    )
    value_types: Annotated[tuple[EventType, ...], Field(strict=False)] = Field(
        default=(),
        description="Types whose reward is multiplied by log2(1 + value): price, quantity, seconds"
        " of dwell.",
    )
    ignored_weight: float = Field(
        default=0,
        ge=0,
        le=100,
        description="What each time that a user was shown an item and ignored it takes from its"
        " score for that user, a logarithm of odds (ratings: stars); 0: nothing.",
    )
    ignored_half_life: Annotated[int, Duration("1m", "365d")] = Field(
        default=_FEEDBACK.ignored_half_life_ms,
        description="Time after which that counts half.",
    )
    value_cap: float = Field(
        default=_FEEDBACK.value_cap, gt=0, le=1e12, description="Greatest value that counts there."
    )
