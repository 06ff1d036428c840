"""The classic networks of neural recommenders, as an example."""

import contextlib
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.examples import ncf, ncf_classic, training
from scripts.examples.preferences import World, features, preferences
from scripts.tools.cluster.paths import ROOT

needs_torch = pytest.mark.skipif(
    not training.PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)

SMALL = (
    *("--users", "60", "--items", "40", "--taken", "15", "--layers", "16,6"),
    *("--validation", "0.25", "--epochs", "4", "--batch", "16", "--rate", "0.004"),
)

_TORCH = """
import sys
import numpy as np
from models.deep.training import ncf_classic as classic
user = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 5, 5])
item = np.concatenate([3 * np.arange(n) % 7 + n % 3 for n in [1, 2, 3, 4, 5, 5, 5]])
data = classic.Data(user, item, 7, 10)
plan = classic.Plan(layers=(4,), dim=2, epochs=1, batch=8, rate=0.01, validation=0.3, seed=3)
u, i, label = classic.labelled(data, np.random.default_rng(1))
unseen, seen = classic.rows(len(label), plan)
told = classic.binary(data, plan)["baselines"], classic.softmax(data, plan)["baselines"]
same = classic.labelled(data, np.random.default_rng(plan.seed))
np.savez(sys.argv[1], user=user, item=item, u=u, i=i, label=label, unseen=unseen, seen=seen,
         constant=told[0]["constant"], popularity=told[0]["popularity"],
         most_taken=told[1]["most_taken"], rows=np.concatenate(classic.rows(len(item), plan)),
         binary=np.stack(same))
"""


def work(folder: Path, *arguments: str) -> Any:
    """The figures, and what is printed."""
    out, picture, printed = folder / "out.json", folder / "out.png", io.StringIO()
    with contextlib.redirect_stdout(printed):
        words = ["--classic", *SMALL, "--json", str(out), "--plot", str(picture), *arguments]
        assert ncf.main(words) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    return json.loads(out.read_text()), printed.getvalue()


@pytest.fixture(scope="module")
def on_ids(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return work(tmp_path_factory.mktemp("embeddings"), "--dim", "5")


@pytest.fixture(scope="module")
def embedded(on_ids) -> Any:
    return on_ids[0]


@pytest.fixture(scope="module")
def featured(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return work(tmp_path_factory.mktemp("features"), "--inputs", "features")[0]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the trainer's functions say of 25 pairs."""
    out = tmp_path_factory.mktemp("inside") / "out.npz"
    command = [str(training.PYTHON), "-P", "-c", _TORCH, str(out)]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT)})
    with np.load(out) as file:
        return dict(file)


@needs_torch
def test_the_networks_have_the_parameters_counted_by_hand(embedded, featured) -> None:
    # 16 and 6 units: weights and biases; a user has 3 features, an item 4
    top = 16 * 6 + 6
    assert embedded["binary"]["parameters"] == 60 * 5 + 40 * 5 + (10 * 16 + 16) + top + (6 + 1)
    assert embedded["softmax"]["parameters"] == 60 * 5 + (5 * 16 + 16) + top + (6 * 40 + 40)
    assert featured["binary"]["parameters"] == (7 * 16 + 16) + top + (6 + 1)
    assert featured["softmax"]["parameters"] == (3 * 16 + 16) + top + (6 * 40 + 40)


@needs_torch
def test_the_losses_fall_from_epoch_to_epoch(embedded, featured) -> None:
    for found in (embedded, featured):
        for name in ("binary", "softmax"):
            loss = found[name]["history"]["loss"]
            assert loss[0] > loss[1] > loss[2] > loss[3]


@needs_torch
def test_a_share_of_exactly_the_size_asked_for_is_held_out(embedded) -> None:
    assert embedded["softmax"]["samples"] == {"training": 675, "validation": 225}
    assert embedded["binary"]["samples"] == {"training": 1350, "validation": 450}


@needs_torch
def test_the_same_seed_gives_the_same_figures_and_words(on_ids, tmp_path: Path) -> None:
    assert work(tmp_path, "--dim", "5") == on_ids


@needs_torch
def test_features_tell_in_few_epochs_what_embeddings_have_to_learn_first(
    embedded, featured
) -> None:
    accuracy = [
        found["binary"]["history"]["validation_accuracy"][-1] for found in (embedded, featured)
    ]
    assert accuracy[1] > accuracy[0] + 0.05
    assert accuracy[1] > featured["binary"]["baselines"]["popularity"] + 0.05


@needs_torch
def test_the_json_has_settings_histories_baselines_and_predictions(embedded, featured) -> None:
    assert embedded["settings"] == {
        "inputs": "embeddings", "dim": 5, "noise": 0.5, "layers": [16, 6], "epochs": 4,
        "batch": 16, "rate": 0.004, "validation": 0.25, "users": 60, "items": 40, "taken": 15,
        "seed": 1,
    }  # fmt: skip
    for found in (embedded, featured):
        for name in ("binary", "softmax"):
            history = found[name]["history"]
            assert set(history) == {
                "loss", "accuracy", "validation_loss", "validation_accuracy"
            }  # fmt: skip
            assert {len(values) for values in history.values()} == {4}
        assert found["softmax"]["baselines"]["chance"] == 1 / 40
        assert found["softmax"]["accuracy_limit"] == pytest.approx(60 / 225, rel=0.05)
        assert found["softmax"]["accuracy_of_new"] <= found["softmax"]["accuracy_limit"]
        assert 0.5 <= found["binary"]["baselines"]["constant"] < 0.6
        for one in found["binary"]["predictions"]:
            assert 0 < one["probability"] < 1
            assert one["label"] in {0, 1}
        for one in found["softmax"]["predictions"]:
            assert 1 <= one["rank"] <= 40
            assert (one["rank"] == 1) == (one["item"] == one["top_item"])
            assert 1 / 40 < one["top_probability"] < 1
            assert one["probability"] <= one["top_probability"]
    assert len(embedded["binary"]["predictions"]) == len(embedded["softmax"]["predictions"]) == 5


@needs_torch
def test_what_was_not_taken_is_labelled_0_and_no_pair_occurs_twice(inside) -> None:
    pairs = list(zip(inside["u"].tolist(), inside["i"].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs) == 50
    taken = set(zip(inside["user"].tolist(), inside["item"].tolist(), strict=True))
    ones = {pair for pair, label in zip(pairs, inside["label"], strict=True) if label == 1}
    assert ones == taken
    count = [np.bincount(inside["u"][inside["label"] == label]).tolist() for label in (0, 1)]
    assert count[0] == count[1] == [1, 2, 3, 4, 5, 5, 5]


@needs_torch
def test_nothing_is_both_learnt_from_and_held_out(inside) -> None:
    assert len(inside["unseen"]) == 15
    assert sorted([*inside["unseen"], *inside["seen"]]) == list(range(50))


@needs_torch
def test_baselines_count_in_training_and_are_judged_in_validation(inside) -> None:
    _, item, label = inside["binary"]
    unseen, seen = inside["unseen"], inside["seen"]
    ones = sum(label[unseen])
    assert inside["constant"] == pytest.approx(max(ones, 15 - ones) / 15)
    taken = [sum(label[row] for row in seen if item[row] == one) for one in range(10)]
    right = [(taken[int(item[row])] > np.median(taken)) == label[row] for row in unseen]
    assert inside["popularity"] == pytest.approx(np.mean(right))
    held, rest = np.split(inside["item"][inside["rows"]], [7])
    most = np.bincount(rest).argmax()
    assert most != np.bincount(held).argmax()
    assert inside["most_taken"] == pytest.approx(np.mean(held == most))


class _AskedError(Exception):
    """The trainer's arguments, in place of training."""


def asked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[Any, ...]:
    def refuse(*words: Any) -> Any:
        raise _AskedError(words)

    monkeypatch.setattr(ncf_classic, "in_trainer", refuse)
    monkeypatch.setattr(training, "in_trainer", refuse)
    with pytest.raises(_AskedError) as found:
        ncf.main(arguments)
    words: tuple[Any, ...] = found.value.args[0]
    return words


def test_the_usual_values(monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, arrays, *options = asked(monkeypatch, "--classic")
    assert (module, options[0], len(options)) == ("ncf_classic", "--plan", 2)
    assert json.loads(options[1]) == {
        "layers": [64, 64], "dim": 32, "epochs": 10, "batch": 32, "rate": 0.001,
        "validation": 0.2, "seed": 1,
    }  # fmt: skip
    assert len(arrays["user"]) == 300 * 30
    assert set(arrays) == {"user", "item", "users", "items"}


def test_without_classic_there_are_twenty_epochs_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, _, *options = asked(monkeypatch)
    assert (module, options) == ("ncf", ["--seed", "1", "--epochs", "20"])


def test_another_seed_is_another_world_and_another_start(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (asked(monkeypatch, "--classic", "--seed", seed) for seed in "12")
    assert (one[2]["item"] != two[2]["item"]).any()
    assert json.loads(two[-1])["seed"] == 2


def test_another_noise_is_of_the_same_world(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--classic", "--inputs", "features", "--noise")
    little, one, much = (asked(monkeypatch, *words, noise)[2] for noise in ("0.001", "1", "2"))
    assert little["user_features"].shape == (300, 3)
    assert little["item_features"].shape == (150, 4)
    assert (little["item"] == much["item"]).all()
    errors = one["user_features"] - little["user_features"]
    assert 0.9 < errors.std() < 1.1
    twice = much["user_features"] - little["user_features"]
    np.testing.assert_allclose(twice, 2 * errors, atol=0.01)


def test_features_are_what_scores_are_made_of_and_errors() -> None:
    size = World(users=2000, items=300, factors=4, taken=3, taste=1.5, fame=0.5)
    world = preferences(size, np.random.default_rng(1))
    made = 1.5 * world.tastes @ world.kinds.T / 2 + 0.5 * world.fame
    np.testing.assert_allclose(world.scores, made)
    user, item = features(world, 0.5, np.random.default_rng(2))
    errors = user - world.tastes
    assert errors.std() == pytest.approx(0.5, rel=0.05)
    assert abs(np.corrcoef(errors.ravel(), world.tastes.ravel())[0, 1]) < 0.05
    np.testing.assert_allclose(
        item.mean(axis=0), [*world.kinds.mean(axis=0), world.fame.mean()], atol=0.15
    )


@pytest.mark.parametrize(
    ("arguments", "option", "said"),
    [
        ("--batch 8", "batch", "with --classic only, got it without"),
        ("--inputs embeddings", "inputs", "with --classic only, got it without"),
        ("--epochs 0", "epochs", "more than 0, got 0"),
        ("--seed -1", "seed", "0 to 2^32 - 1, got -1"),
        ("--classic --batch 0", "batch", "more than 0, got 0"),
        ("--classic --rate nan", "rate", "more than 0 and less than 1, got nan"),
        ("--classic --rate -0.1", "rate", "more than 0 and less than 1, got -0.1"),
        ("--classic --validation 1", "validation", "more than 0 and less than 1, got 1"),
        (
            "--classic --validation 1e-5",
            "validation",
            "a share that leaves at least one of 9000 pairs on either side, got 1e-05",
        ),
        ("--classic --layers 8,0", "layers", "numbers above 0 with commas between, got '8,0'"),
        ("--classic --layers 8,", "layers", "numbers above 0 with commas between, got '8,'"),
        (
            "--classic --noise 1",
            "noise",
            "with --inputs features only, got it with --inputs embeddings",
        ),
        (
            "--classic --inputs features --dim 8",
            "dim",
            "with --inputs embeddings only, got it with --inputs features",
        ),
        (
            "--classic --items 50 --taken 26",
            "taken",
            "at most half of the 50 items, so that as many are not taken, got 26",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    arguments: str, option: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        ncf.main(arguments.split())
    assert error.value.code == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line == f"scripts/example ncf: error: argument --{option}: expected {said}"


@needs_torch
def test_both_networks_are_printed_with_what_they_are_compared_with(on_ids) -> None:
    found, printed = on_ids
    for name in ("binary", "softmax"):
        network = found[name]
        for n, row in enumerate(zip(*network["history"].values(), strict=True), 1):
            cells = [str(n), *(f"{value:.3f}" for value in row)]
            assert cells in [line.split() for line in printed.splitlines()]
        for value in network["baselines"].values():
            assert f": {value:.3f}" in printed
    assert printed.count("\nuser ") == 10
    assert "as many at random that were not" in printed
