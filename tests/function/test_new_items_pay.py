"""New items that are described are shown to users who like their category: that must bring hits."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from models.catalogue.catalogue import Facts
from models.params.ranking import MODELS
from models.params.slate import SlateParams
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from scripts.tools.data.tastes import TasteParams, Tastes
from state.topics.availability import Described
from tests.builders import NOW, Record, event, learn_users, learning
from tests.workers import Memory

USERS, ITEMS, NEW, FIRST, AT_ONCE, VISITS = 300, 220, 40, 50, 50, 5_000
WORLD = TasteParams(users=USERS, items=ITEMS, categories=8, strength=1.1)


class Shop:
    """Users look at lists; of new items the first impressions and hits are counted."""

    def __init__(self, seed: int, wanted: SlateParams) -> None:
        self.tastes = Tastes(WORLD, seed)
        self.old = np.arange(ITEMS - NEW)
        params = learn_users(learning=learning(ranking=MODELS["light"]), deep=False, k=10,
                             slate=wanted)  # fmt: skip
        self.now, self.offset, self.memory = NOW, 0, Memory()
        self.pipeline = Pipeline(params, clock_ms=lambda: self.now)
        self.lists: dict[int, dict[str, Any]] = {}
        self.shown, self.hits = Counter[int](), Counter[int]()

    def describe(self, category: np.ndarray) -> None:
        for n in range(ITEMS):
            facts = Facts(categories=(f"c{category[n]}",))
            self.pipeline.describe(Described(f"i{n}", True, facts))

    def visits(self, count: int) -> None:
        for _ in range(count // AT_ONCE):
            self.now += 60_000
            there = self.tastes.random.choice(USERS, AT_ONCE, replace=False).tolist()
            self.take([record for user in there for record in self.visit(user)])

    def visit(self, user: int) -> list[Record]:
        name, listed = f"u{user}", self.lists.get(user, {}).get("items", [])
        items, records = [int(one["item_id"][1:]) for one in listed], []
        for look in self.tastes.look(user, items):
            if look.item >= ITEMS - NEW and self.shown[look.item] < FIRST:
                self.shown[look.item] += 1
                self.hits[look.item] += look.clicked
            if look.clicked:
                records.append(event(name, f"i{look.item}", "click", self.now + look.place))
        chances = np.cumsum(self.tastes.likes[user, self.old])
        found = np.searchsorted(chances, self.tastes.random.random() * chances[-1], side="right")
        records.append(event(name, f"i{found}", "view", self.now + 500))
        return records

    def take(self, records: list[Record]) -> None:
        places = list(range(self.offset, self.offset + len(records)))
        self.offset += len(records)
        keys, values = [one.key for one in records], [one.value for one in records]
        batch = MicroBatch(0, keys, values, places, [self.now] * len(records))
        for key, value in self.pipeline.process(batch, self.memory).recommendations:
            self.lists[int(key[1:])] = json.loads(value or b"")


def hit_rate(seed: int, *, true: bool) -> float:
    """Hits of new items in their first impressions, by their categories or by any others."""
    shop = Shop(seed, SlateParams(new_item_impressions=3 * FIRST))
    shop.visits(VISITS)
    category = shop.tastes.category.copy()
    if not true:
        shop.tastes.random.shuffle(category[ITEMS - NEW :])
    shop.describe(category)
    shop.visits(2 * VISITS)
    assert shop.shown.total() > NEW * FIRST / 2
    return shop.hits.total() / shop.shown.total()


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_known_of_new_items_brings_hits(seed: int) -> None:
    by_category, by_chance = hit_rate(seed, true=True), hit_rate(seed, true=False)
    print(f"hits of the first {FIRST}: {by_category:.3f} by category, {by_chance:.3f} by others")
    assert by_category >= 2 * by_chance
