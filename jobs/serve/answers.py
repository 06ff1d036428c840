"""The answers of the service: what its OpenAPI document describes."""

from typing import Annotated, Any, Literal

import msgspec

from state.topics.catalog import Description


class Listed(msgspec.Struct, omit_defaults=True):
    """An item of a list."""

    item_id: str
    source: str
    """Where it is from: `list` (the user's own), `next`, `similar`, `trending`, `popular`, …"""
    reason: str | None = None
    """What lifts it most, as in the topic `recommendations`."""
    score: float | None = None
    """Comparable inside one list and one source only."""
    origin: str | None = msgspec.field(default=None, name="from")
    """Item of the user that it follows or resembles."""
    item: Description | None = None
    """With `include=items`: what the catalogue says."""


class Recommended(msgspec.Struct):
    """A list for somebody."""

    user_id: str | None
    """None of a guest."""
    rec_id: str | None
    """Of the list in the topic; None where there is none."""
    generated_at: int | None
    """ms since 1970."""
    age_ms: int | None
    model_version: str | None
    items: list[Listed]
    """Best first."""


class Items(msgspec.Struct):
    """Items without a user."""

    items: list[Listed]


class Boards(msgspec.Struct):
    """Names of boards."""

    boards: list[str]


class SeenEvent(msgspec.Struct, omit_defaults=True):
    """An event that came by."""

    item_id: str
    event_type: str
    timestamp: int
    item: Description | None = None


class User(msgspec.Struct):
    """What the service knows of a user."""

    user_id: str
    events: list[SeenEvent]
    """Newest first."""
    recommendations: Recommended | None


class Item(msgspec.Struct):
    """What the service knows of an item."""

    item_id: str
    known: bool
    """Whether the job has learnt something of it."""
    events: int
    """Positive ones that it had."""
    item: Description | None


class Guest(msgspec.Struct):
    """Whom a list is for who has no id: the items of a visit or a cart, newest first."""

    items: list[str]
    n: int = 10
    exclude: list[str] = []
    category: str | list[str] | None = None
    """Only items of this category, or of at least one of several."""
    all: list[str] = []
    """Only items of all these categories."""


class Outcome(msgspec.Struct, omit_defaults=True):
    """What became of an event."""

    accepted: bool
    """It keeps the job's rules, and Kafka has it."""
    code: str | None = None
    message: str | None = None


class Outcomes(msgspec.Struct):
    """What became of each event, in the order sent."""

    events: list[Outcome]


class Wanted(msgspec.Struct):
    """A command to the job."""

    command: Literal[
        "fine_tune_now",
        "rollback_model",
        "promote_model",
        "forget_user",
        "readmit_user",
        "block_user",
        "unblock_user",
        "merge_user",
        "block_item",
        "unblock_item",
        "pause_learning",
        "resume",
        "set",
    ]
    model: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] | None = None
    """Version, of `promote_model`."""
    user: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | None = None
    """Whom a command about a user means."""
    guest: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | None = msgspec.field(
        default=None, name="from"
    )
    """The guest of `merge_user`."""
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | None = None
    """The user that the guest is."""
    item: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | None = None
    """Which item a command about one means."""
    key: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """What `set` sets, a key of the configuration."""
    value: Any = None
    """What it is set to; null for what the file says."""


class Commanded(msgspec.Struct):
    """What the job answered."""

    id: str
    ok: bool
    message: str


class Health(msgspec.Struct):
    """Whether the service runs."""

    alive: bool


class Info(msgspec.Struct):
    """What is served."""

    job: str
    event_types: dict[str, float]
    """Weights by event type."""
    users: int
    """With a list."""
    items: int
    catalog: int


class Jobs(msgspec.Struct):
    """Names of the jobs that are served."""

    jobs: list[str]


class Read(msgspec.Struct):
    """How far a topic has been read."""

    read: int
    end: int
    """When the service started."""


class Ready(msgspec.Struct):
    """Whether everything that was there at the start has been read, and the broker answers."""

    ready: bool
    message: str
    topics: dict[str, Read]


class Windows(msgspec.Struct):
    """What the job reported last."""

    windows: list[dict[str, Any]]
    fine_tune: dict[str, Any] | None


class ClickThrough(msgspec.Struct):
    """Impressions whose outcome is decided, and what came of them."""

    impressions: int
    acted: int
    """Those that the user acted on."""
    click_through: float | None
    """Acted by impressions; None without any."""
    reward: float


class FeedbackWindow(msgspec.Struct):
    """A window of time."""

    window_start: int
    """ms since 1970; an impression is in the window that it was decided in."""
    arms: dict[str, ClickThrough]
    """By arm; "" without an experiment. Without rewards."""


class Feedback(msgspec.Struct):
    """What became of impressions."""

    fates: dict[str, int]
    """All impressions that came, by fate."""
    total: ClickThrough
    arms: dict[str, ClickThrough]
    positions: dict[str, ClickThrough]
    reasons: dict[str, ClickThrough]
    models: dict[str, ClickThrough]
    """By model version."""
    windows: list[FeedbackWindow]


class Letters(msgspec.Struct):
    """Dead letters, newest first."""

    letters: list[dict[str, Any]]
    by_code: dict[str, int]
    """Since the service has been up."""
