"""Keys of events: their shape, types and identity."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from conf import event_plans
from conf.section import Section
from conf.sections.types import EventType, FieldPath, Regular, Weight
from conf.units import Day, Duration, Size, day, duration, size
from models.params.events import SENTINEL_PATTERNS, SENTINELS, WEIGHTS, EventPolicy

_EVENTS = EventPolicy()


def _weights() -> dict[str, float | None]:
    return {**WEIGHTS}


class EventFields(Section):
    """Paths of the fields of events: steps with dots; of several the first that leads on."""

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
    rec_id: tuple[FieldPath, ...] = Field(
        default=("rec_id",),
        description="Path of the id of the recommendation that an impression is of; inside `items`"
        " from there, or of the whole event.",
    )
    position: tuple[FieldPath, ...] = Field(
        default=("position",), description="Path of its place in the list, from 1; may be missing."
    )
    scope: tuple[FieldPath, ...] = Field(
        default=("scope",),
        description="Path of the scope, such as a country or a shop, that the user is in: items of"
        " another one (topic `catalog`) are not recommended; may be missing.",
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
    """Rules that a valid event keeps."""

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
