"""`scripts/evaluate offpolicy`: the truth is in its intervals; what has no weight is left out."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.tools.console import ToolError
from scripts.tools.evaluate import evaluate
from scripts.tools.evaluate.feedback.impressions import impression_key
from scripts.tools.evaluate.feedback.weights import estimate
from tests.unit.test_evaluate_arms import record

ITEMS, SLOTS, EXPLORING = 20, 2, 0.2
USERS = 2_000
SEEDS = range(10_000, 10_100)
"""Of 1,500 from 10,000 on, the intervals of 95.5 % (IPS) and 95.3 % (SNIPS) held the truth."""


class World:
    """Users with tastes of their own, shown lists by a ranking that knows these vaguely.

    A slot is drawn uniformly from all items with the probability EXPLORING, and ranked otherwise.
    Who likes what is shown comes more often, so that impressions of a user are no sample of all.
    """

    def __init__(self, seed, users=USERS):
        random = np.random.default_rng(seed)
        mean = np.linspace(0.05, 0.3, ITEMS)
        self.taste = random.beta(4 * mean, 4 * (1 - mean), (users, ITEMS))
        vaguely = self.taste + random.normal(0, 0.3, self.taste.shape)
        self.ranked = np.argsort(-vaguely, axis=1)[:, :SLOTS]
        self.lists = 1 + random.poisson(20 * self.taste.mean(axis=1))

    def truth(self):
        """Return the reward per impression of all lists ranked, and of all slots uniform."""
        each = np.take_along_axis(self.taste, self.ranked, 1).mean(axis=1)
        return np.average(each, weights=self.lists), np.average(
            self.taste.mean(axis=1), weights=self.lists
        )

    def logged(self, seed):
        random = np.random.default_rng([seed, 1])  # not the numbers that made the users
        user = np.repeat(np.arange(len(self.lists)), self.lists * SLOTS)
        slot = np.arange(len(user)) % SLOTS
        ranked = self.ranked[user, slot]
        drawn = random.integers(0, ITEMS, len(user))
        item = np.where(random.random(len(user)) < EXPLORING, drawn, ranked)
        by_chance = EXPLORING / ITEMS
        return SimpleNamespace(
            user=user,
            slot=slot,
            item=item,
            is_ranked=item == ranked,
            propensity=np.where(item == ranked, 1 - EXPLORING + by_chance, by_chance),
            reward=(random.random(len(user)) < self.taste[user, item]).astype(float),
        )


@pytest.fixture(scope="module")
def truth():
    """Of all users there could be."""
    return World(999, 300_000).truth()


@pytest.mark.parametrize("target", ["ranked", "uniform"])
def test_the_truth_is_in_the_intervals(truth, target):
    inside = {"ips": [], "snips": []}
    value = truth[target == "uniform"]
    for seed in SEEDS:
        logged = World(seed).logged(seed)
        chosen = logged.is_ranked if target == "ranked" else np.full(len(logged.item), 1 / ITEMS)
        found = estimate(logged.user, logged.reward, chosen / logged.propensity)
        for name, held in inside.items():
            low, high = getattr(found, name).interval()
            held.append(low < value < high)
    for held in inside.values():
        assert sum(held[:20]) >= 18
        assert sum(held) >= 90


def test_the_logged_policy_is_not_the_target(truth):
    """Its interval would miss the truth: the test above can fail."""
    world = World(1)
    logged = world.logged(1)
    found = estimate(logged.user, logged.reward, logged.is_ranked / logged.propensity)
    low, high = found.logged.interval()
    assert not low < truth[0] < high


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def run(records, *options, target="ranked"):
        """Return the JSON, estimates by name, and what a person reads."""
        if not isinstance(target, str):
            (tmp_path / "target.jsonl").write_text("".join(f"{_line(one)}\n" for one in target))
            target = str(tmp_path / "target.jsonl")
        path = tmp_path / "feedback.jsonl"
        path.write_text("".join(f"{_line(one)}\n" for one in records))
        arguments = ["--file", str(path), "--target", target, "--json", *options]
        monkeypatch.setattr(sys, "argv", ["evaluate", "offpolicy", *arguments])
        assert evaluate.main() == 0
        told = capsys.readouterr()
        found = json.loads(told.out)
        return found, {row["estimate"]: row["value"] for row in found["rows"]}, told.err

    return run


def _line(one):
    return one if isinstance(one, str) else json.dumps(one)


def probability(one, value):
    return {"rec_id": one["rec_id"], "item_id": one["item_id"], "probability": value}


RECORDS = [
    record(1, 1, propensity=0.5, reward=1.0, action="click"),
    record(1, 2, propensity=0.8),
    record(2, 1, propensity=0.1, reason="explored", reward=1.0, action="click"),
    record(3, 1, propensity=0.5, reward=3.0, action="buy"),
]


def test_ranked_weights_what_was_ranked(run):
    found, values, _ = run(RECORDS)
    weights = np.array([2, 1.25, 0, 2])
    assert values["logged"] == pytest.approx(5 / 4)
    assert values["ips"] == pytest.approx((2 + 6) / 4)
    assert values["snips"] == pytest.approx((2 + 6) / weights.sum())
    assert found["effective_sample_size"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert (found["largest_weight"], found["users"], found["impressions"]) == (2, 3, 4)


def test_a_file_says_what_would_be_shown(run):
    target = [probability(one, p) for one, p in zip(RECORDS, (0.5, 0.4, 0.2, 0.0), strict=True)]
    _, values, _ = run(RECORDS, target=target[::-1])
    assert values["ips"] == pytest.approx((1 + 0 + 2 + 0) / 4)
    assert values["snips"] == pytest.approx((1 + 0 + 2 + 0) / (1 + 0.5 + 2 + 0))


def test_impressions_without_a_line_are_left_out_not_weighted_0(run):
    bad = {"rec_id": "x", "item_id": "i", "probability": 1.5}
    found, values, told = run(RECORDS, target=[probability(RECORDS[0], 0.5), bad, "{"])
    assert (found["impressions"], values["ips"]) == (1, 1.0)
    assert found["left_out"]["without_line_of_target"] == 3
    assert found["left_out"]["bad_of_target"] == 2
    assert "3 impressions without a line" in told


def test_two_lines_of_one_impression_are_refused(run):
    twice = [probability(RECORDS[0], 0.5), probability(RECORDS[0], 0.6)]
    with pytest.raises(ToolError, match=r"expected one line an impression, got 1 more"):
        run(RECORDS, target=twice)


def test_propensities_that_are_none_are_left_out_and_counted(run):
    missing = record(4)
    del missing["propensity"]
    wrong = [missing, *(record(4, propensity=p) for p in (None, 0.0, 1e-300, -0.1, 1.01))]
    found, values, told = run([*RECORDS, *wrong, json.dumps(record(4, propensity=float("nan")))])
    assert values == run(RECORDS)[1]
    assert found["left_out"] == {
        "bad": 1, "propensity_missing": 2, "propensity_not_above_0": 3, "propensity_above_1": 1,
        "without_line_of_target": 0,
    }  # fmt: skip
    assert "1 impressions with a propensity above 1" in told


def test_weights_are_clipped(run):
    found, values, _ = run(RECORDS, "--clip", "1.5")
    assert values["ips"] == pytest.approx((1.5 + 4.5) / 4)
    assert (found["largest_weight"], found["clipped"]) == (1.5, 2)


def test_one_user_has_no_interval(run):
    found, _, told = run(RECORDS[:2])
    assert found["rows"][1]["low"] is None
    assert "one user" in told
    assert "effective sample size" in told


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "expected records, got none"),
        ([record(1, propensity=0.0)], "propensity_not_above_0 1"),
        ([record(1, reason="explored", propensity=0.1)], "that the target would show, got none"),
    ],
)
def test_nothing_to_estimate_from_is_said(run, records, words):
    with pytest.raises(ToolError, match=words):
        run(records)


def test_a_target_without_lines_is_refused(run):
    with pytest.raises(ToolError, match=r"--target: expected lines .* got none: target.jsonl:1"):
        run(RECORDS, target=["{"])


def test_a_target_that_is_not_there_is_refused(run):
    with pytest.raises(ToolError, match=r"give --target another path"):
        run(RECORDS, target="/nowhere")


def test_standard_input_is_one_of_them_only(run):
    with pytest.raises(ToolError, match="got both"):
        run(RECORDS, "--file", "-", target="-")


def test_no_action_at_all_is_worth_nothing(run):
    found, values, _ = run([record(user, propensity=0.9) for user in range(300)])
    assert (values["ips"], values["snips"]) == (0, 0)
    assert found["rows"][2]["low"] == found["rows"][2]["high"] == 0


def test_the_command_and_the_columns_agree(run):
    logged = World(5, users=50).logged(5)
    records = [
        record(
            int(user) + 1, n, item_id=f"i{item}", reason="factors" if is_ranked else "explored",
            propensity=float(p), reward=float(reward), action="click" if reward else None,
        )
        for n, (user, item, is_ranked, p, reward) in enumerate(
            zip(logged.user, logged.item, logged.is_ranked, logged.propensity, logged.reward,
                strict=True)
        )
    ]  # fmt: skip
    _, values, _ = run(records)
    found = estimate(logged.user, logged.reward, logged.is_ranked / logged.propensity)
    assert values["snips"] == pytest.approx(found.snips.value)
    target = [probability(one, float(one["reason"] == "factors")) for one in records]
    assert run(records, target=target)[1] == pytest.approx(values)


def test_keys_tell_recommendation_from_item():
    assert impression_key("a", "bc") != impression_key("ab", "c")
