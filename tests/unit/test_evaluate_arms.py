"""`scripts/evaluate arms`: who is compared, intervals that hold at every look, users by arm."""

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import optimize, stats

from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.console import ToolError
from scripts.tools.evaluate import evaluate
from scripts.tools.evaluate.feedback import source
from scripts.tools.evaluate.feedback.comparison import LEAST_USERS, METRICS, Plan, compare
from scripts.tools.evaluate.feedback.impressions import Impressions
from scripts.tools.evaluate.feedback.ratio import ratio
from scripts.tools.evaluate.feedback.sample_ratio import LEAST_P, SampleRatio
from scripts.tools.evaluate.feedback.sequence import mixture, radius
from scripts.tools.evaluate.feedback.users import Users
from scripts.tools.kafka.letters import Letter
from state.topics.feedback import Feedback, encode

USERS, SEEN = 20_000, 5
"""Users of an experiment, and impressions of each in the mean."""
LOOKS = 120
SPREAD = 10.0
"""Users' rates are Beta(SPREAD rate, SPREAD (1 - rate)): of .1 their deviation is .09."""
SEEDS = range(20)
NUMBERS = {"A": 0, "B": 1}


def record(user=0, number=0, **more):
    fields = {
        "rec_id": f"{user:016x}-{number}",
        "item_id": "i",
        "position": 0,
        "reason": "factors",
        "model_version": "1",
        "arm": "A",
        "propensity": 1.0,
        "shown_at": number,
        "action": None,
        "reward": 0.0,
        "delay_ms": None,
    }
    return fields | more


def clicked(user=0, number=0, **more):
    return record(user, number, **({"action": "click", "reward": 1.0, "delay_ms": 5} | more))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def run(records, *options):
        """Return the JSON and what a person reads."""
        path = tmp_path / "feedback.jsonl"
        lines = (one if isinstance(one, str) else json.dumps(one) for one in records)
        path.write_text("".join(f"{line}\n" for line in lines))
        arguments = ["evaluate", "arms", "--file", str(path), "--json", *options]
        monkeypatch.setattr(sys, "argv", arguments)
        assert evaluate.main() == 0
        told = capsys.readouterr()
        return json.loads(told.out), told.err

    return run


def simulated(seed, rates, users=USERS, seen=SEEN):
    """Return a stream of impressions: users, their arms, and clicks; users come again."""
    random = np.random.default_rng(seed)
    arm_of = random.integers(0, len(rates), users).astype(np.int32)
    mean = np.array(rates)[arm_of]
    rate = random.beta(SPREAD * mean, SPREAD * (1 - mean))
    activity = random.gamma(1.0, size=users)  # some come often
    user = random.choice(users, users * seen, p=activity / activity.sum())
    return SimpleNamespace(
        user=user, arm=arm_of[user], clicked=random.random(len(user)) < rate[user]
    )


def prefix(stream, end):
    arm, hit = stream.arm[:end], stream.clicked[:end]
    return Users.of(stream.user[:end], arm, hit, hit.astype(np.float64))


def verdicts(stream, end):
    return [one.verdict for one in compare(prefix(stream, end), NUMBERS, "A", Plan())]


# ---- what must hold ------------------------------------------------------------------------------


def test_equal_arms_have_no_false_winner_however_often_one_looks():
    false_winners = naive = 0
    for seed in SEEDS:
        stream = simulated(seed, (0.1, 0.1))
        ends = np.linspace(0, len(stream.user), LOOKS + 1).astype(int)[1:]
        looks = [verdicts(stream, end) for end in ends]
        false_winners += any(one != "undecided" for look in looks for one in look)
        naive += any(naive_p(stream, end) < 0.05 for end in ends)
    assert false_winners <= 1
    assert naive >= 6  # what a test an impression, looked at as often, says of the same streams


def naive_p(stream, end):
    arm, hit = stream.arm[:end], stream.clicked[:end]
    counts = np.bincount(arm * 2 + hit, minlength=4).reshape(2, 2)
    return stats.chi2_contingency(counts, correction=False).pvalue if counts.all() else 1.0


def test_equal_arms_have_their_users():
    right = []
    for seed in SEEDS:
        arm = prefix(simulated(seed, (0.1, 0.1)), None).arm
        users = {name: int((arm == number).sum()) for name, number in NUMBERS.items()}
        right.append(SampleRatio.of(users, {"A": 0.5, "B": 0.5}).p > LEAST_P)
    assert all(right)


@pytest.mark.parametrize("seed", range(5))
def test_a_worse_arm_is_named_within_50_000_impressions(seed):
    stream = simulated(seed, (0.10, 0.08))
    ends = range(2_500, 50_001, 2_500)
    looks = [verdicts(stream, end)[0] for end in ends]
    assert "worse" in looks
    assert "better" not in looks


def test_an_arm_that_lost_users_is_not_trusted():
    found = SampleRatio.of({"A": 10_000, "B": 9_500}, {"A": 0.5, "B": 0.5})
    assert not found.is_right
    assert found.p == pytest.approx(stats.chisquare([10_000, 9_500]).pvalue)


# ---- equations -----------------------------------------------------------------------------------


def test_the_variance_is_that_of_other_samples_of_users():
    random = np.random.default_rng(3)
    shown = random.integers(1, 20, 500).astype(float)
    hits = random.binomial(shown.astype(int), random.beta(1, 9, 500)).astype(float)
    drawn = random.integers(0, 500, (4_000, 500))  # bootstrap
    values = hits[drawn].sum(axis=1) / shown[drawn].sum(axis=1)
    assert ratio(hits, shown).variance == pytest.approx(values.var(), rel=0.08)


def test_the_mixture_makes_the_interval_narrowest_where_planned():
    best = optimize.minimize_scalar(
        lambda log: radius(1, 5_000, 0.05, np.exp(log)), bounds=(-15, 0), method="bounded"
    )
    assert np.exp(best.x) == pytest.approx(mixture(0.05, 5_000), rel=1e-3)


def test_the_interval_is_wider_than_that_of_one_look_but_not_by_much():
    one_look = stats.norm.ppf(0.975)
    at_best = radius(1, 10_000, 0.05, mixture(0.05, 10_000))
    assert one_look < at_best < 1.7 * one_look


def test_several_arms_share_alpha():
    random = np.random.default_rng(1)
    arm = np.arange(3_000, dtype=np.int32) % 3
    ones = np.ones(3_000)
    users = Users(arm, ones, (random.random(3_000) < 0.2).astype(float), ones * 0)
    two = compare(users, {"A": 0, "B": 1}, "A", Plan(alpha=0.025))[0]
    three = compare(users, {"A": 0, "B": 1, "C": 2}, "A", Plan(alpha=0.05))[0]
    assert two == three


def test_few_users_decide_nothing():
    arm = np.arange(2 * LEAST_USERS - 2, dtype=np.int32) % 2
    ones = np.ones(len(arm))
    users = Users(arm, ones, arm.astype(float), arm.astype(float))
    found = compare(users, NUMBERS, "A", Plan())
    assert [one.verdict for one in found] == ["undecided"] * len(METRICS)
    assert [(one.difference, one.low) for one in found] == [(1.0, None)] * len(METRICS)


# ---- the command ---------------------------------------------------------------------------------


def test_totals_are_those_of_the_records(run):
    found, _ = run([
        clicked(1, 1), record(1, 2, position=1, reason="explored"), clicked(2, 1, reward=3.0),
        record(3, 1, arm="B"),
    ])  # fmt: skip
    row = next(one for one in found["rows"] if one["arm"] == "A" and one["slice"] == "all")
    assert row == {
        "arm": "A", "slice": "all", "of": None, "users": 2, "impressions": 3, "clicks": 2,
        "click_through": 2 / 3, "reward": 4.0, "reward_per_1000": 4_000 / 3,
    }  # fmt: skip
    slices = {(one["arm"], one["slice"], one["of"]): one["users"] for one in found["rows"]}
    assert slices["A", "position", 0] == 2
    assert slices["A", "position", 1] == 1
    assert slices["A", "reason", "explored"] == 1
    assert slices["B", "reason", "factors"] == 1
    assert found["control"] == "A"


def test_records_are_those_of_the_topic(run):
    one = Feedback(**clicked(7))
    found, _ = run([encode(one)[1].decode()])
    assert found["rows"][0]["clicks"] == 1


def test_a_user_in_two_arms_is_named_and_left_out(run):
    records = [clicked(1, 1), record(1, 2, arm="B"), record(2), record(3, arm="B")]
    found, told = run(records)
    assert found["users_in_several_arms"] == {"count": 1, "first": ["0000000000000001"]}
    assert found["left_out"]["in_several_arms"] == 2
    assert sum(one["impressions"] for one in found["rows"] if one["slice"] == "all") == 2
    assert "0000000000000001" in told


def test_only_users_in_two_arms_leave_nothing(run):
    found, _ = run([record(1), record(1, 2, arm="B")])
    assert [one["users"] for one in found["rows"]] == [0, 0]
    assert found["sample_ratio"] is None
    assert found["comparisons"][0]["difference"] is None


def test_impressions_before_the_experiment_are_left_out_and_their_users_stay(run):
    found, told = run([record(1, 1, arm=""), clicked(1, 2), record(2, arm="B")])
    assert found["left_out"]["without_arm"] == 1
    assert found["rows"][0]["users"] == 1
    assert "without an arm" in told


def test_bad_lines_are_counted_and_shown(run):
    bad = ["{", "", "null", "\x00", json.dumps(record(1, rec_id="short"))]
    bad += [json.dumps(record(1, **more)) for more in ({"reward": 1e300}, {"position": -1})]
    found, told = run([*bad, record(1)])
    assert found["left_out"]["bad"] == 6  # a blank line is none
    assert "feedback.jsonl:1: expected" in told


def test_users_by_arm_that_are_wrong_are_warned_of(run):
    records = [record(user, arm="AB"[user % 4 == 0]) for user in range(400)]
    found, told = run(records)
    assert not found["sample_ratio"]["is_right"]
    assert "do not trust the comparison" in told.replace("\n", " ")
    found, told = run(records, "--shares", "A=.75,B=.25")
    assert found["sample_ratio"]["p"] == 1
    assert "warning" not in told


def test_an_arm_with_a_share_and_no_users_is_shown(run):
    found, told = run([record(user) for user in range(50)], "--shares", "A=.5,B=.5")
    assert found["sample_ratio"]["users"] == {"A": 50, "B": 0}
    assert "warning" in told


def test_one_arm_has_nothing_to_be_compared_with(run):
    found, told = run([record(1), record(2)])
    assert found["comparisons"] == []
    assert "one arm only" in told


@pytest.mark.parametrize("make", [record, clicked])
def test_all_or_no_actions_decide_nothing(run, make):
    found, _ = run([make(user, arm="AB"[user % 2]) for user in range(600)])
    assert {one["verdict"] for one in found["comparisons"]} == {"undecided"}


def test_names_of_arms_are_any_text(run):
    names = ["[red]x[/]", "Größe", "推荐", "a=b", "\x1b[2J", "e\u0301", "\u00e9"]
    found, told = run([record(number, arm=name) for number, name in enumerate(names)])
    assert [one["arm"] for one in found["rows"] if one["slice"] == "all"] == sorted(names)
    assert "[red]x[/]" in told
    assert "\x1b[2J" not in told


def test_another_control(run):
    records = [record(1), record(2, arm="B")]
    assert run(records, "--control", "B")[0]["comparisons"][0]["arm"] == "A"
    with pytest.raises(ToolError, match=r"--control: expected one of 'A', 'B', got 'C'"):
        run(records, "--control", "C")


def test_shares_are_of_all_arms(run):
    with pytest.raises(ToolError, match=r"got none of 'B'"):
        run([record(1), record(2, arm="B")], "--shares", "A=1")


@pytest.mark.parametrize("text", ["A", "A=x", "A=.5,B=.6", "A=0,B=1", "A=.5,A=.5", "=1", "A=inf"])
def test_shares_that_are_none_are_refused(run, capsys, text):
    with pytest.raises(SystemExit):
        run([record(1)], "--shares", text)
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "1", "nan", "x"])
def test_alpha_is_a_probability(run, capsys, text):
    with pytest.raises(SystemExit):
        run([record(1)], "--alpha", text)
    assert "between 0 and 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "expected records, got none"),
        (["{"], "got 1 bad ones only: feedback.jsonl:1"),
        ([record(1, arm="")], "expected records with an arm"),
    ],
)
def test_nothing_to_read_is_said(run, records, words):
    with pytest.raises(ToolError, match=words):
        run(records)


def test_a_file_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["evaluate", "arms", "--file", "/nowhere/f.jsonl"])
    with pytest.raises(ToolError, match=r"/nowhere/f.jsonl: expected a file.*--file another path"):
        evaluate.main()


def test_standard_input_is_read(monkeypatch, capsys):
    line = json.dumps(clicked(1)).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(line)))
    monkeypatch.setattr(sys, "argv", ["evaluate", "arms", "--file", "-", "--json"])
    assert evaluate.main() == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["clicks"] == 1


@pytest.mark.parametrize(("options", "topic"), [([], "shop.feedback"), (["--topic", "old"], "old")])
def test_the_topic_is_read_to_its_end(monkeypatch, capsys, options, topic):
    value = json.dumps(clicked(1)).encode()
    found = [Letter(0, 7, 0, None, value), Letter(1, 8, 0, None, None)]
    asked = []

    def extent(address, name):
        asked.append(name)
        return {0: (0, 10), 1: (0, 10)}

    def read(address, name, bounds, report):
        asked.append((name, bounds))
        report(20)
        yield found

    monkeypatch.setattr(source.letters, "extent", extent)
    monkeypatch.setattr(source.letters, "read", read)
    config = ["--config", str(LOCAL_CONFIG), "--set", "kafka.topics.prefix=shop."]
    monkeypatch.setattr(sys, "argv", ["evaluate", "arms", "--json", *config, *options])
    assert evaluate.main() == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["left_out"]["bad"] == 1
    assert f"{topic} 1:8: expected" in told.err
    assert asked == [topic, (topic, {0: (0, 10), 1: (0, 10)})]


def test_columns_are_small():
    values = [(str(n), json.dumps(record(n, n)).encode()) for n in range(1_000)]
    found = Impressions.of(values)
    columns = (one for one in vars(found).values() if isinstance(one, np.ndarray))
    assert sum(one.nbytes for one in columns) <= 45 * 1_000
