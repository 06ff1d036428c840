"""Events as tracking tools send them: fields mapped, times converted, items listed."""

import json
from pathlib import Path
from typing import Any

import pytest

from conf import event_plans
from conf.loader import ConfigError, load
from conf.parameters import event_policy
from models.keys import bucket_of
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Decode, Decoded

NOW = 1_750_000_000_000


def config(tmp_path: Path, *overrides: str, text: str = "job: {}") -> Any:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load(path, overrides)


def decoded(config: Any, *events: dict[str, Any], user: str = "ann") -> Decoded:
    policy = event_policy(config)
    values = [json.dumps(event).encode() for event in events]
    n = len(values)
    return Decode(policy)(
        MicroBatch(
            bucket_of(user, policy.buckets), [user.encode()] * n, values, range(n), [NOW] * n
        ),
        NOW,
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
    properties = {"products": [{"product_id": "a"}, {"name": "tip"}, {"product_id": ""}]}
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
        ({"type": None, "event": ""}, "missing_field", "event_type"),
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
        assert event_policy(config(tmp_path, f"events.plan={name}")).fields


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
    policy = event_policy(made)
    order = dict(SEGMENT_ORDER, properties={"products": [{"product_id": "a"}, {"product_id": "b"}]})
    bob = dict(SEGMENT_ORDER, anonymousId="bob", messageId="ajs-2")
    values = [b"{", json.dumps(order).encode(), json.dumps(bob).encode()]
    found = Decode(policy)(MicroBatch(0, [b"x", b"ann", b"bob"], values, range(3), [NOW] * 3), NOW)
    assert [one.code for one in found.rejected] == ["truncated"]
    assert found.record.tolist() == [1, 1, 2, 2, 2]


def test_an_empty_text_is_a_missing_field(tmp_path: Path) -> None:
    made = config(tmp_path, "events.plan=segment")
    view = {"type": "track", "event": "Product Viewed", "timestamp": "2025-06-15T15:06:40Z"}
    view |= {"userId": "", "anonymousId": "ann", "messageId": ""}
    found = decoded(made, view | {"properties": {"product_id": "", "sku": "s-1"}})
    assert (found.users, found.item_ids, found.rejected) == (["ann"], ["s-1"], [])
    assert found.event_ids[0] != ""
    nobody = view | {"anonymousId": "", "properties": {"product_id": "a"}}
    assert [(r.code, r.field) for r in decoded(made, nobody).rejected] == [
        ("missing_field", "user_id")
    ]


@pytest.mark.parametrize(
    ("plan", "row", "kind"),
    [
        ("segment", {"type": "identify", "userId": "u9", "anonymousId": "ann"}, "identify"),
        ("segment", {"type": "page", "name": "Home", "anonymousId": "ann"}, "page"),
        ("segment", {"type": "track", "event": "Signed Up", "userId": "ann"}, "Signed Up"),
        ("ga4", {"event_name": "page_view", "user_pseudo_id": "ann"}, "page_view"),
        ("ga4", {"event_name": "session_start", "items": []}, "session_start"),
        ("ga4", {"event_name": "scroll", "items": ["not an object"]}, "scroll"),
    ],
)
def test_rows_that_are_no_item_events_are_ignored_and_not_refused(
    tmp_path: Path, plan: str, row: dict[str, Any], kind: str
) -> None:
    found = decoded(config(tmp_path, f"events.plan={plan}"), row)
    assert (found.rejected, len(found.events)) == ([], 0)
    assert [(one.position, one.kind) for one in found.ignored] == [(0, kind)]


def test_an_event_that_has_a_weight_is_never_ignored(tmp_path: Path) -> None:
    row = {"event_name": "view_item", "event_timestamp": NOW * 1000, "user_pseudo_id": "ann"}
    found = decoded(config(tmp_path, "events.plan=ga4"), row)
    assert [one.code for one in found.rejected] == ["missing_field"]
    refused = config(tmp_path, "events.plan=ga4", "events.weights.scroll=null")
    found = decoded(refused, row | {"event_name": "scroll", "items": [{"item_id": "a"}]})
    assert [one.code for one in found.rejected] == ["unknown_event_type"]
    assert found.ignored == []


def test_types_to_ignore_are_patterns_and_hold_for_our_own_events_too(tmp_path: Path) -> None:
    made = config(tmp_path, "events.ignore=[page_*, heartbeat]")
    event = {"user_id": "ann", "item_id": "a", "event_type": "view", "timestamp": NOW}
    other = [event | {"event_type": kind} for kind in ("page_view", "heartbeat", "heartbeats")]
    found = decoded(made, event, *other)
    assert found.record.tolist() == [0]
    assert [one.position for one in found.ignored] == [1, 2]
    assert [(one.position, one.code) for one in found.rejected] == [(3, "unknown_event_type")]


def test_ga4_parameters_are_found_by_their_key(tmp_path: Path) -> None:
    row = {
        "event_name": "share",
        "event_timestamp": str(NOW * 1000),
        "user_id": None,
        "user_pseudo_id": "ann",
        "event_params": [
            {"key": "method", "value": {"string_value": "mail", "int_value": None}},
            {"key": "item_id", "value": {"string_value": None, "int_value": 17}},
        ],
    }
    assert decoded(config(tmp_path, "events.plan=ga4"), row).item_ids == ["17"]


@pytest.mark.parametrize("stamp", [NOW / 1000, NOW // 1000, NOW / 1000 + 0.25])
def test_the_smallest_events_are_taken_by_a_plan(tmp_path: Path, stamp: float) -> None:
    event = {"user_id": 1, "item_id": 101, "timestamp": stamp}
    found = decoded(config(tmp_path, "events.plan=minimal"), event, user="1")
    assert (found.users, found.item_ids) == (["1"], ["101"])
    assert found.events.time.tolist() == [round(stamp * 1000)]
    assert found.events.weight.tolist() == [1]


@pytest.mark.parametrize(
    ("key", "code"), [(b'"1"', None), (b"1", None), (b"null", None), (b'"2"', "key_mismatch")]
)
def test_record_keys_may_be_json(tmp_path: Path, key: bytes, code: str | None) -> None:
    policy = event_policy(config(tmp_path, "events.plan=minimal", "events.keyed=json"))
    value = json.dumps({"user_id": 1, "item_id": 101, "timestamp": NOW // 1000}).encode()
    bucket = bucket_of("1", policy.buckets)
    found = Decode(policy)(MicroBatch(bucket, [key], [value], [0], [NOW]), NOW)
    assert [one.code for one in found.rejected] == ([code] if code else [])


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-15T15:06:40z",
        "2025-06-15 15:06:40 UTC",
        "2025-06-15 15:06:40.000 utc",
        "2025-06-15T17:06:40+02:00",
        "2025-06-15T15:06:40",
    ],
)
def test_times_as_databases_print_them(tmp_path: Path, text: str) -> None:
    event = {"user_id": "ann", "item_id": "a", "event_type": "view", "timestamp": text}
    found = decoded(config(tmp_path, "events.time=iso8601"), event)
    assert found.events.time.tolist() == [NOW]


def test_a_default_type_is_one_that_has_a_weight(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"events.default_type: expected an event type that"):
        config(tmp_path, "events.default_type=glance")


@pytest.mark.parametrize("key", [b"7e5", b"5 6", b"12 Main", b"0.10e1", b'"a"b', b"u1"])
def test_a_key_that_is_not_json_counts_where_it_led_to_the_users_bucket(
    tmp_path: Path, key: bytes
) -> None:
    policy = event_policy(config(tmp_path, "events.keyed=json", "users.buckets=1024"))
    user = key.decode()
    event = {"user_id": user, "item_id": "a", "event_type": "view", "timestamp": NOW}
    right = bucket_of(user, policy.buckets)
    for bucket, codes in ((right, []), ((right + 1) % policy.buckets, ["ambiguous_user"])):
        value = json.dumps(event).encode()
        found = Decode(policy)(MicroBatch(bucket, [key], [value], [0], [NOW]), NOW)
        assert [one.code for one in found.rejected] == codes


def test_only_stars_and_question_marks_are_special_in_what_is_ignored(tmp_path: Path) -> None:
    made = config(tmp_path, "events.ignore=['[Amplitude] *', 'a[bc]']")
    event = {"user_id": "ann", "item_id": "a", "timestamp": NOW}
    kinds = ("[Amplitude] Start", "a[bc]", "ab")
    found = decoded(made, *(event | {"event_type": kind} for kind in kinds))
    assert [one.kind for one in found.ignored] == ["[Amplitude] Start", "a[bc]"]


def test_user_ids_are_not_found_in_lists_of_parameters(tmp_path: Path) -> None:
    made = config(tmp_path, "events.plan=ga4", "events.fields.user_id=[user_properties.crm]")
    row = {"event_name": "view_item", "event_timestamp": NOW * 1000, "items": [{"item_id": "a"}]}
    row |= {"user_properties": [{"key": "crm", "value": {"string_value": "ann"}}]}
    assert [(r.code, r.field) for r in decoded(made, row).rejected] == [
        ("missing_field", "user_id")
    ]


def test_a_plan_with_weights_has_words_of_its_own(tmp_path: Path) -> None:
    made = config(tmp_path, "events.plan=ga4", "events.weights.signup=2")
    weights = made.events.weights
    assert weights["view_item"] == 1
    assert weights["signup"] == 2
    assert "click" not in weights  # GA4's is of any link
    found = decoded(made, {"event_name": "click", "user_pseudo_id": "ann"})
    assert [one.kind for one in found.ignored] == ["click"]
    assert config(tmp_path, "events.plan=minimal").events.weights["purchase"] == 5
