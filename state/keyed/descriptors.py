"""Every state of the job: name, key and value type. The layouts are in `state/README.md`.

Values are bytes that this project encodes itself: PyFlink checks no schema at a restore.
"""

from pyflink.common import Types
from pyflink.datastream.state import MapStateDescriptor

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())

ACCOUNTING_ENTRY = " accounting"
"""Entry of `users` that counts a bucket's records; no user's entry is called so."""
POPULARITY_ENTRY = " popularity"
"""Entry of `users` that says what popularity was worth in a bucket."""
KNOBS_ENTRY = " knobs"
"""Entry of `users` that says where a bucket's events would have the knobs of scores."""
FEEDBACK_ENTRY = " feedback"
"""Entry of `users` that counts the impressions of a bucket's users."""
_FEEDBACK = " feedback/"
GATES_ENTRY = " gates"
"""Entry of `users` that says which users of a bucket are forgotten or blocked."""


def entry_of(user: str) -> str:
    """Return the entry of a user: the id, with one more blank before one that starts with one."""
    return f" {user}" if user.startswith(" ") else user


def is_user(entry: str) -> bool:
    """Return whether an entry is a user's record: others begin with one blank, and only one."""
    return not entry.startswith(" ") or entry.startswith("  ")


def user_of(entry: str) -> str:
    """Return the user of an entry."""
    return entry.removeprefix(" ")


def feedback_entry(user: str) -> str:
    """Return the entry of what is kept of a user for feedback."""
    return _FEEDBACK + user


def feedback_user(entry: str) -> str:
    """Return the user of such an entry; "" of any other entry."""
    return entry.removeprefix(_FEEDBACK) if entry.startswith(_FEEDBACK) else ""


_NAME = " name/"


def name_entry(pseudonym: str) -> str:
    """Return the entry of the id of a user who is called by a pseudonym."""
    return _NAME + pseudonym


LINEAGE_ENTRY = "lineage"
"""Entry of `loop` and of `fine_tune`: what the state belongs to, see `state.keyed.lineage`."""


def users() -> MapStateDescriptor:
    """User id -> user record, feedback, and what is about the bucket; expiry by a timer."""
    return MapStateDescriptor("users-v1", Types.STRING(), _BYTES)


def loop() -> MapStateDescriptor:
    """Broadcast: model pointer, what the state belongs to, what catalogue and operators say."""
    return MapStateDescriptor("loop-v1", Types.STRING(), _BYTES)


_UNAVAILABLE = "unavailable/"


def unavailable_entry(item: str) -> str:
    """Return the entry of `loop` that says that an item is unavailable."""
    return _UNAVAILABLE + item


_SWITCH = "switch/"


def switch_entry(name: str) -> str:
    """Return the entry of `loop` of what an operator has switched."""
    return _SWITCH + name


def is_switch(entry: str) -> bool:
    """Return whether an entry is one of these."""
    return entry.startswith(_SWITCH)


_DESCRIBED = "described/"


def described_entry(item: str) -> str:
    """Return the entry of `loop` that says what is known of an item."""
    return _DESCRIBED + item


def described_item(entry: str) -> str:
    """Return the item of such an entry; "" of any other entry."""
    return entry.removeprefix(_DESCRIBED) if entry.startswith(_DESCRIBED) else ""


def unavailable_item(entry: str) -> str:
    """Return the item of such an entry; "" of any other entry."""
    return entry.removeprefix(_UNAVAILABLE) if entry.startswith(_UNAVAILABLE) else ""


def fine_tune() -> MapStateDescriptor:
    """Name -> block of training events or status; bounded by `fine_tune.kept_events`."""
    return MapStateDescriptor("fine-tune-v1", Types.STRING(), _BYTES)


MARKS_ENTRY = -1
"""Entry of `items`, no item's key: which events the records contain, see `state.topics.marks`."""
ITEMS_LINEAGE_ENTRY = -2
"""Entry of `items`, no item's key: what the state belongs to, see `state.keyed.lineage`."""


def items() -> MapStateDescriptor:
    """Item key (as a signed 64-bit number) -> item record; bounded by `items.limit`."""
    return MapStateDescriptor("items-v1", Types.LONG(), _BYTES)
