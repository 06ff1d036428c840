"""The closed loop of the demo: users with tastes, click-through by arm, options that fit."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scripts.tools import results
from scripts.tools.commands import demo, demo_feedback_options
from scripts.tools.commands.demo_audience import Audience
from scripts.tools.commands.demo_feedback import SETTINGS, show
from scripts.tools.commands.demo_feedback_curve import SLICES, Curve
from scripts.tools.commands.demo_feedback_plot import draw
from scripts.tools.commands.demo_local import config_of
from scripts.tools.data.tastes import TasteParams, Tastes
from state.topics.feedback import Feedback
from state.topics.recommendation import Item, Recommendation, Session, Trigger

NOW = 1_700_000_000_000
FEW = TasteParams(users=20, items=30)


def listed(user: int, items: list[int], rec_id: str = "r1") -> Recommendation:
    named = [Item(f"item-{item}", 1.0, "factors") for item in items]
    trigger, session = Trigger("e", NOW, NOW), Session(NOW, 1)
    return Recommendation(rec_id, f"user-{user}", NOW, trigger, "m", session, named)


def outcome(arm: str, at: int, action: str | None) -> Feedback:
    return Feedback(
        rec_id="r1", item_id="i", position=1, reason="factors", model_version="m", arm=arm,
        propensity=1.0, shown_at=at, action=action, reward=0.0, delay_ms=None,
    )  # fmt: skip


def test_users_see_less_of_low_places_and_click_by_taste() -> None:
    tastes = Tastes(FEW, 1)
    looks = [look for _ in range(4_000) for look in tastes.look(3, list(range(10)))]
    seen = np.bincount([look.place for look in looks])
    assert seen[0] == 4_000
    assert np.allclose(seen / 4_000, 1 / (1 + FEW.fall * np.arange(10)), atol=0.03)
    clicks = np.bincount([look.item for look in looks if look.clicked], minlength=10)
    assert np.allclose(clicks / seen, tastes.likes[3, :10], atol=0.04)


def test_the_same_seed_is_the_same_people() -> None:
    one, same, other = (Tastes(FEW, seed) for seed in (1, 1, 2))
    assert [one.find(2) for _ in range(20)] == [same.find(2) for _ in range(20)]
    assert (one.likes == same.likes).all()
    assert (one.likes != other.likes).any()


def test_what_users_find_is_more_often_what_they_like() -> None:
    tastes = Tastes(FEW, 1)
    found = [tastes.likes[5, tastes.find(5)] for _ in range(2_000)]
    assert np.mean(found) > 1.2 * tastes.likes[5].mean()


def test_a_visit_names_list_and_places_and_ends_with_something_new() -> None:
    audience = Audience(FEW, 1)
    first = audience.arrive(NOW)
    assert [event.user_id for event in first] == [f"user-{n}" for n in range(FEW.users)]
    audience.take(listed(4, list(range(10))))
    audience.take(listed(4, list(range(10, 20)), "r2"))
    events = audience.come(1e6, NOW)
    shown = [event for event in events if event.event_type == "impression"]
    assert audience.shown == len(shown) > 0
    for event in shown:
        assert event.rec_id == "r2"
        assert event.position is not None
        assert event.item_id == f"item-{9 + event.position}"
    assert {"view", "click"} & {event.event_type for event in events}
    assert max(event.timestamp for event in events) <= NOW
    assert len({event.event_id for event in first + events}) == len(first + events)
    assert audience.come(2e6, NOW) == []  # nobody sees a list twice


def test_who_is_not_due_does_not_come() -> None:
    audience = Audience(FEW, 1)
    audience.take(listed(4, [1, 2]))
    assert audience.come(0.0, NOW) == []


@pytest.fixture
def curve() -> Curve:
    """Model: from 1 of 4 to 3 of 4 clicks; random: none; each slice is a second."""
    curve = Curve(["model", "random"], SLICES)
    curve.begin(NOW)
    for number in range(SLICES):
        clicks = 3 if number >= SLICES // 2 else 1
        for place in range(4):
            action = "click" if place < clicks else None
            curve.take(outcome("model", NOW + 1000 * number + place, action))
        curve.take(outcome("random", NOW + 1000 * number, None))
    return curve


def test_click_through_is_counted_by_when_an_item_was_shown(curve: Curve) -> None:
    assert curve.decided == 5 * SLICES
    assert curve.total("model").rate == 0.5
    assert curve.last_third("model").rate == 0.75
    assert curve.last_third("model").impressions == 4 * SLICES / 3
    assert curve.recent("model", NOW + 5_500, 1_000).rate == 0.25
    assert curve.recent("model", NOW + 500, 1_000).rate is None
    curve.take(outcome("random", NOW + 10**6, "click"))  # after the end: with the last slice
    assert curve.as_mapping()["arms"]["random"]["clicks"][-1] == 1


def test_the_figures_have_the_curve(curve: Curve, tmp_path: Path) -> None:
    path = tmp_path / "new" / "curve.json"
    results.write(path, curve.results(), curve=curve.as_mapping())
    found = json.loads(path.read_text())
    figures = {one["name"]: one["value"] for one in found["results"]}
    assert figures["feedback.model.click_through_last_third"] == 0.75
    assert figures["feedback.random.clicks"] == 0
    assert found["curve"]["arms"]["model"]["click_through"] == [0.25] * 9 + [0.75] * 9
    draw(path.with_suffix(".png"), curve)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_table_of_arms(curve: Curve, capsys: pytest.CaptureFixture[str]) -> None:
    show(curve)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "model" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "model", "72", "36", "0.5000", "0.7500",
    ]  # fmt: skip


def test_the_settings_are_ones_of_the_job() -> None:
    config = config_of(demo.ROOT / "conf" / "local.yaml", SETTINGS)
    assert list(config.recommend.arms) == ["model", "popular", "random"]
    assert config.feedback.enabled


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Command line of the demo."""
    arguments = ["scripts/demo"]
    monkeypatch.setattr(sys, "argv", arguments)
    return arguments  # type: ignore[return-value]


@pytest.mark.parametrize(
    "given",
    [
        "--feedback --data x.csv", "--feedback --events 5", "--feedback --rate 10",
        "--feedback --times keep", "--feedback --items x.csv", "--plot x.png", "--seconds 5",
        "--feedback --seconds 0",
    ],
)  # fmt: skip
def test_options_that_make_no_sense_together_are_refused(
    arguments: list[str], given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments += given.split()
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_starts(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments += ["--feedback", "--plot", "x.png"]
    monkeypatch.setattr(demo_feedback_options, "find_spec", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 2
    assert "scripts/setup --dev" in capsys.readouterr().err
