"""Simulated users with hidden tastes react to what they are shown: feedback must bring clicks."""

import json
from typing import Any

import pytest

from models.params.feedback import FeedbackParams
from models.params.ranking import MODELS
from models.params.slate import Arm, SlateParams
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from scripts.tools.data.tastes import TasteParams, Tastes
from tests.builders import NOW, Record, event, learn_users, learning
from tests.workers import Memory

USERS, ITEMS, AT_ONCE, VISITS = 300, 200, 50, 6_000
FEEDBACK = FeedbackParams(rewards={"click": 1.0}, notes_ignored=True, window_ms=60_000)


class World:
    """Lists before users with hidden tastes, as events."""

    def __init__(self, seed: int) -> None:
        self.tastes = Tastes(TasteParams(users=USERS, items=ITEMS), seed)
        self.random = self.tastes.random
        self.shown = self.clicks = 0

    def visit(self, user: int, rec: dict[str, Any] | None, now: int) -> list[Record]:
        name, records = f"u{user}", list[Record]()
        items = [int(listed["item_id"][1:]) for listed in rec["items"]] if rec else []
        for place, number, clicked in self.tastes.look(user, items):
            item = f"i{number}"
            assert rec is not None
            records.append(event(name, item, "impression", now + place, rec_id=rec["rec_id"]))
            self.shown += 1
            if clicked:
                records.append(event(name, item, "click", now + 100 + place))
                self.clicks += 1
        if rec is None or self.random.random() < 0.3:
            records.append(event(name, f"i{self.tastes.find(user)}", "view", now + 500))
        return records


def click_through(arm: Arm, seed: int) -> float:
    world, clock = World(seed), [NOW]
    params = learn_users(
        learning=learning(ranking=MODELS["light"]),
        deep=False,
        feedback=FEEDBACK,
        slate=SlateParams(arms=(arm,)),
        k=10,
    )
    pipeline, memory = Pipeline(params, clock_ms=lambda: clock[0]), Memory()
    lists: dict[int, dict[str, Any]] = {}
    offset = 0
    for _ in range(VISITS // AT_ONCE):
        clock[0] += 60_000
        there = world.random.choice(USERS, AT_ONCE, replace=False).tolist()
        records = [r for user in there for r in world.visit(user, lists.get(user), clock[0])]
        batch = MicroBatch(
            0,
            [one.key for one in records],
            [one.value for one in records],
            list(range(offset, offset + len(records))),
            [clock[0]] * len(records),
        )
        offset += len(records)
        for key, value in pipeline.process(batch, memory).recommendations:
            lists[int(key[1:])] = json.loads(value or b"")
    return world.clicks / world.shown


@pytest.mark.parametrize("seed", [1, 2])
def test_feedback_and_exploration_bring_more_clicks(seed: int) -> None:
    without = click_through(Arm(), seed)
    with_it = click_through(Arm(ignored_weight=0.7, exploration=0.05), seed)
    yardstick = click_through(Arm(source="random"), seed)
    print(f"click-through: {without:.4f} without, {with_it:.4f} with, {yardstick:.4f} at random")
    assert with_it >= 1.05 * without
    assert with_it > yardstick
