"""Events as tracking tools send them: fields mapped, times converted, items listed."""

import json
from pathlib import Path
from typing import Any

import pytest

from conf import event_plans
from conf.loader import ConfigError, load
from models.keys import bucket_of
from operators.stages.decode import Decode, Decoded

NOW = 1_750_000_000_000


def config(tmp_path: Path, *overrides: str, text: str = "job: {}") -> Any:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load(path, overrides)


def decoded(config: Any, *events: dict[str, Any], user: str = "ann") -> Decoded:
    policy = config.event_policy()
    values = [json.dumps(event).encode() for event in events]
    n = len(values)
    return Decode(policy)(
        [user.encode()] * n,
        values,
        range(n),
        [NOW] * n,
        bucket=bucket_of(user, policy.buckets),
        now_ms=NOW,
    )


SEGMENT_ORDER = {
    "type": "track",
    "messageId": "ajs-1",
    "userId": None,
    "anonymousId": "ann",
    "event": "Order Completed",
    "timestamp": "2025-06-15T15:06:40.250Z",
    "properties": {
        "order_id": 50,
        "products": [
            {"product_id": "507f", "price": 19, "quantity": 1},
            {"product_id": 505, "price": "3", "quantity": 2},
            {"product_id": "Rose Garden", "price": None},
        ],
    },
}


def test_a_segment_order_is_an_event_for_each_product(tmp_path: Path) -> None:
    found = decoded(config(tmp_path, "events.plan=segment"), SEGMENT_ORDER)
    assert found.rejected == []
    assert found.users == ["ann"]
    assert found.item_ids == ["507f", "505", "Rose Garden"]
    assert found.event_ids == ["ajs-1", "ajs-1/1", "ajs-1/2"]
    assert found.record.tolist() == [0, 0, 0]
    assert found.events.weight.tolist() == [5, 5, 5]
    assert set(found.events.time.tolist()) == {1_750_000_000_250}


def test_a_segment_view_has_its_product_in_the_properties(tmp_path: Path) -> None:
    view = SEGMENT_ORDER | {
        "event": "Product Viewed",
        "userId": "ann",
        "anonymousId": "device-7",
        "properties": {"product_id": "507f", "rating": "odd"},
    }
    found = decoded(config(tmp_path, "events.plan=segment"), view)
    assert (found.users, found.item_ids) == (["ann"], ["507f"])


def test_ga4_counts_microseconds(tmp_path: Path) -> None:
    event = {
        "event_name": "view_item",
        "event_timestamp": str(NOW * 1000 + 999),
        "user_pseudo_id": "ann",
        "items": [{"item_id": "SKU 1"}],
    }
    found = decoded(config(tmp_path, "events.plan=ga4"), event)
    assert found.item_ids == ["SKU 1"]
    assert found.events.time.tolist() == [NOW]


@pytest.mark.parametrize("stamp", [NOW // 1000, NOW / 1000, str(NOW // 1000)])
def test_camel_case_events_have_seconds(tmp_path: Path, stamp: Any) -> None:
    event = {"userId": "ann", "productId": 7, "eventType": "addToCart", "timestamp": stamp}
    found = decoded(config(tmp_path, "events.plan=camel_case"), event)
    assert found.item_ids == ["7"]
    assert found.events.time.tolist() == [NOW]
    assert found.events.weight.tolist() == [3]


def test_retail_rocket_counts_its_visitors(tmp_path: Path) -> None:
    event = {"visitorid": 257597, "itemid": 355908, "event": "transaction", "timestamp": NOW}
    found = decoded(config(tmp_path, "events.plan=retail_rocket"), event, user="257597")
    assert found.users == ["257597"]
    assert found.events.weight.tolist() == [5]


def test_one_bad_product_refuses_the_whole_order(tmp_path: Path) -> None:
    made = config(tmp_path, "events.plan=segment")
    for product, code in (
        ({"product_id": 1.5}, "wrong_type"),
        ({"product_id": "-1"}, "sentinel_id"),
    ):
        properties = {"products": [{"product_id": "a"}, product, {"price": 1}]}
        found = decoded(made, SEGMENT_ORDER | {"properties": properties})
        assert [(one.code, one.field) for one in found.rejected] == [(code, "item_id")]
        assert len(found.events) == found.without_item == 0


def test_a_product_without_an_id_is_left_out_or_refuses_the_order(tmp_path: Path) -> None:
    properties = {"products": [{"product_id": "a"}, {"sku": "b"}, {"product_id": ""}]}
    order = SEGMENT_ORDER | {"properties": properties}
    found = decoded(config(tmp_path, "events.plan=segment"), order)
    assert (found.item_ids, found.without_item, found.rejected) == (["a"], 2, [])
    strict = config(tmp_path, "events.plan=segment", "events.without_item=refuse")
    assert [one.code for one in decoded(strict, order).rejected] == ["missing_field"]


def test_an_order_has_as_many_lines_as_that_is_configured(tmp_path: Path) -> None:
    order = SEGMENT_ORDER | {"properties": {"products": [{"product_id": n} for n in range(1, 202)]}}
    found = decoded(config(tmp_path, "events.plan=segment"), order)
    assert [(one.code, one.field) for one in found.rejected] == [("too_many_lines", "items")]
    assert len(decoded(config(tmp_path, "events.plan=segment", "events.lines=201"), order).events)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"timestamp": 5}, "wrong_type", "timestamp"),
        ({"timestamp": "yesterday"}, "wrong_type", "timestamp"),
        ({"timestamp": None}, "missing_field", "timestamp"),
        ({"anonymousId": None}, "missing_field", "user_id"),
        ({"event": "Page Viewed"}, "unknown_event_type", "event_type"),
        ({"messageId": ["a"]}, "wrong_type", "event_id"),
        ({"properties": {"products": ["a"]}}, "wrong_type", "items"),
    ],
)
def test_what_is_odd_about_a_mapped_event_is_told(
    tmp_path: Path, change: dict[str, Any], code: str, field: str
) -> None:
    found = decoded(config(tmp_path, "events.plan=segment"), SEGMENT_ORDER | change)
    assert [(one.code, one.field) for one in found.rejected] == [(code, field)]


def test_a_plan_lies_under_what_the_file_says(tmp_path: Path) -> None:
    made = config(
        tmp_path,
        text="events: {plan: segment, weights: {Product Viewed: 7}, fields: {event_id: id}}",
    )
    assert made.events.weights["Product Viewed"] == 7
    assert made.events.weights["Order Completed"] == 5
    assert made.events.fields.event_id == ("id",)
    assert made.events.fields.user_id == ("userId", "anonymousId")


def test_every_plan_is_a_configuration(tmp_path: Path) -> None:
    assert len(event_plans.names()) >= 3
    for name in event_plans.names():
        assert config(tmp_path, f"events.plan={name}").event_policy().fields


def test_an_unknown_plan_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"events.plan: expected one of camel_case, ga4"):
        config(tmp_path, "events.plan=mixpanel")


def test_fields_are_strict(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"events.fields.userid"):
        config(tmp_path, "events.fields.userid=a")
    with pytest.raises(ConfigError, match=r"events.fields.user_id"):
        config(tmp_path, "events.fields.user_id=a..b")


def test_a_refused_record_does_not_shift_the_keys_of_an_order(tmp_path: Path) -> None:
    made = config(tmp_path, "events.plan=segment")
    policy = made.event_policy()
    order = dict(SEGMENT_ORDER, properties={"products": [{"product_id": "a"}, {"product_id": "b"}]})
    bob = dict(SEGMENT_ORDER, anonymousId="bob", messageId="ajs-2")
    values = [b"{", json.dumps(order).encode(), json.dumps(bob).encode()]
    found = Decode(policy)(
        [b"x", b"ann", b"bob"], values, range(3), [NOW] * 3, bucket=0, now_ms=NOW
    )
    assert [one.code for one in found.rejected] == ["truncated"]
    assert found.record.tolist() == [1, 1, 2, 2, 2]
