"""An hour of what tracking tools send, as they send it: most rows are no item events."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.builders import NOW, Record

_USERS, _ITEMS = 6, 5


@dataclass(frozen=True)
class Hour:
    """Rows of one tool, and what must become of them.

    Parameters
    ----------
    settings
        Of the job, besides the plan.
    rows
        Record keys and objects, in the order of their times.
    users
        Of the item events.
    accepted
        How many rows hold one.
    rejected
        Rows by code that were meant to be item events.
    """

    settings: tuple[str, ...]
    rows: list[tuple[bytes | None, dict[str, Any]]]
    users: set[str]
    accepted: int
    rejected: dict[str, int]

    @property
    def ignored(self) -> int:
        """How many rows are no item events."""
        return len(self.rows) - self.accepted - sum(self.rejected.values())

    def records(self) -> list[Record]:
        """Return the rows as records."""
        return [Record(key, json.dumps(row).encode()) for key, row in self.rows]


def _times() -> Iterator[int]:
    return iter(range(NOW, NOW + 1_000_000, 1_000))


def ga4() -> Hour:
    """Rows of the export to BigQuery: a session of each visitor, of whom one logs in."""
    times, rows = _times(), []

    def row(user: int, name: str, **more: Any) -> None:
        at = next(times) * 1000 + 7
        rows.append((None, {
            "event_date": "20231114",
            "event_timestamp": str(at),
            "event_name": name,
            "event_params": [
                {"key": "ga_session_id", "value": {"string_value": None, "int_value": str(at)}},
                {"key": "page_location", "value": {"string_value": "https://shop.example/"}},
            ],
            "user_id": "member-1" if user == 1 else None,
            "user_pseudo_id": f"{user}00.{at}" if name == "first_visit" else f"{user}.1700",
            "device": {"category": "mobile", "language": "de-de"},
            "ecommerce": {"purchase_revenue": None},
            "items": [],
        } | more))  # fmt: skip

    def item(number: int, **more: Any) -> dict[str, Any]:
        return {"item_id": f"SKU_{number}", "item_name": "Tee", "price": 9.9, "quantity": 1} | more

    for user in range(_USERS):
        for name in ("session_start", "first_visit", "page_view", "user_engagement", "scroll"):
            row(user, name)
        row(user, "view_item_list", items=[item(n) for n in range(_ITEMS)])
        row(user, "page_view")
        row(user, "view_item", items=[item(user % _ITEMS)])
        row(user, "newsletter_signup", user_properties=[])
        row(user, "add_to_cart", items=[item(user % _ITEMS)])
        row(user, "begin_checkout", items=[item(user % _ITEMS)])
        row(user, "purchase", items=[item(user % _ITEMS), item(4), item(9, item_id="(not set)")])
        row(user, "view_item", items=[item(2, item_id=None)])
    users = {"member-1", *(f"{n}.1700" for n in range(_USERS) if n != 1)}
    rejected = {"sentinel_id": _USERS, "missing_field": _USERS}
    return Hour((), rows, users, 3 * _USERS, rejected)


def segment() -> Hour:
    """Calls of Segment's and RudderStack's libraries, keyed by message id."""
    times, rows = _times(), []

    def call(user: int, kind: str, **more: Any) -> None:
        at = datetime.fromtimestamp(next(times) / 1000, UTC).isoformat(timespec="milliseconds")
        message = f"ajs-next-{len(rows)}"
        rows.append((message.encode(), {
            "type": kind,
            "messageId": message,
            "anonymousId": f"an-{user}",
            "userId": "" if user % 2 else None,  # RudderStack writes an empty one
            "timestamp": at.replace("+00:00", "Z"),
            "context": {"library": {"name": "analytics.js"}, "traits": {}},
            "integrations": {"All": True},
        } | more))  # fmt: skip

    for user in range(_USERS):
        call(user, "page", name="Home", properties={"url": "https://shop.example/"})
        call(user, "track", event="Product List Viewed", properties={"products": [
            {"product_id": f"p{n}", "position": n} for n in range(_ITEMS)]})  # fmt: skip
        call(user, "track", event="Product Viewed", properties={"product_id": f"p{user % _ITEMS}"})
        call(user, "track", event="Product Viewed", properties={"product_id": "", "sku": "p4"})
        call(user, "identify", traits={"email": "a@b.example"}, userId=f"u{user}")
        call(user, "track", event="Signed Up", properties={"plan": "free"})
        call(
            user,
            "track",
            event="Order Completed",
            userId=f"u{user}",
            properties={
                "order_id": "50314b8e",
                "products": [{"product_id": "p1"}, {"name": "Gift card"}],
            },
        )
        call(user, "screen", name="Cart")
        call(user, "group", groupId="g1")
        call(user, "track", event="Product Viewed", properties={})
    users = {f"{kind}{n}" for n in range(_USERS) for kind in ("an-", "u")}
    return Hour(("events.keyed=false",), rows, users, 4 * _USERS, {"missing_field": _USERS})


def camel_case() -> Hour:
    """Flat events of a shop's own tracker, with a time in seconds."""
    kinds = ("productView", "addToCart", "purchase")
    rows: list[tuple[bytes | None, dict[str, Any]]] = [
        (None, {
            "userId": 100 + n % _USERS,
            "productId": n % _ITEMS + 1,
            "eventType": kinds[n % 3],
            "timestamp": at // 1000,
        })
        for n, at in zip(range(20), _times(), strict=False)
    ]  # fmt: skip
    return Hour((), rows, {str(100 + n) for n in range(_USERS)}, len(rows), {})


def retail_rocket() -> Hour:
    """Rows of the data set of that name, keyed by visitor."""
    kinds = ("view", "addtocart", "transaction")
    rows: list[tuple[bytes | None, dict[str, Any]]] = [
        (str(257597 + n % _USERS).encode(), {
            "timestamp": at,
            "visitorid": 257597 + n % _USERS,
            "event": kinds[n % 3],
            "itemid": 355908 + n % _ITEMS,
            "transactionid": n if n % 3 == 2 else None,
        })
        for n, at in zip(range(20), _times(), strict=False)
    ]  # fmt: skip
    return Hour((), rows, {str(257597 + n) for n in range(_USERS)}, len(rows), {})


def minimal() -> Hour:
    """The smallest events, with keys as a JSON serialiser writes them."""
    rows: list[tuple[bytes | None, dict[str, Any]]] = [
        (b'"u%d"' % (n % _USERS), {
            "user_id": f"u{n % _USERS}", "item_id": 101 + n % _ITEMS, "timestamp": at / 1000
        })
        for n, at in zip(range(20), _times(), strict=False)
    ]  # fmt: skip
    users = {f"u{n}" for n in range(_USERS)}
    return Hour(("events.keyed=json",), rows, users, len(rows), {})


HOURS: dict[str, Callable[[], Hour]] = {
    "camel_case": camel_case,
    "ga4": ga4,
    "minimal": minimal,
    "retail_rocket": retail_rocket,
    "segment": segment,
}
"""By plan."""
