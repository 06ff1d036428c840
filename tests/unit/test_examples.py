"""The examples say what they claim to say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shlex import quote

import numpy as np
import pytest

from scripts.examples import holdout, matrix, ncf
from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import ToolError

PNG = b"\x89PNG"


def figures(main, folder: Path, *arguments: str):
    out, picture = folder / "out.json", folder / "out.png"
    assert main(["--json", str(out), "--plot", str(picture), *arguments]) == 0
    assert picture.read_bytes().startswith(PNG)
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def factorised(tmp_path_factory: pytest.TempPathFactory):
    return figures(matrix.main, tmp_path_factory.mktemp("matrix"))


def test_every_method_fits_the_known_cells_and_sgd_best(factorised) -> None:
    known = factorised["rmse_known"]
    assert known["SGD"] < 0.2
    assert max(known["SVD"], known["NMF"]) < 0.5


def test_what_was_filled_in_is_what_svd_and_nmf_predict(factorised) -> None:
    means = np.nanmean(matrix.visible(), axis=0)
    for hole in factorised["holes"]:
        assert abs(hole["SVD"] - means[hole["item"]]) < 1
        assert abs(hole["NMF"] - means[hole["item"]]) < 1
    holes = factorised["rmse_holes"]
    assert holes["SGD"] < 1.2 < min(holes["SVD"], holes["NMF"])


def test_sgd_never_sees_a_hole() -> None:
    ratings = matrix.visible()
    assert np.isnan(ratings).sum() == len(matrix.HOLES)
    assert np.isfinite(matrix.sgd(ratings, np.random.default_rng(1)).product).all()


def test_the_loss_falls(factorised) -> None:
    assert factorised["loss"][-1] < factorised["loss"][0] / 10


def test_the_same_seed_gives_the_same_figures(factorised, tmp_path: Path) -> None:
    assert figures(matrix.main, tmp_path, "--seed", "1") == factorised


def test_factorisation_is_better_than_popularity_and_no_better_than_the_truth(
    tmp_path: Path,
) -> None:
    found = figures(holdout.main, tmp_path)
    for k in map(str, holdout.CUTS):
        for name in ("precision", "recall", "f1"):
            own, popular, best = (
                found[method][k][name] for method in ("factorisation", "popularity", "true tastes")
            )
            assert 2 * popular < own < best


def test_precision_recall_and_f1_by_hand() -> None:
    best = np.tile(np.arange(5), (1000, 1))
    cut = holdout.at_cut(best, np.array([7, 7, 8]), np.array([0, 499, 498]), 2)
    assert cut == pytest.approx((0.25, 0.25, 0.25))  # user 7: 1 of 2 and 1 of 2; user 8: nothing


def test_what_was_learnt_from_is_not_recommended() -> None:
    scores = np.tile(np.arange(500.0), (1000, 1))
    best = holdout.lists(scores, np.array([3]), np.array([499]))
    assert best[2, 0] == 499
    assert best[3, 0] == 498


@pytest.mark.skipif(
    not ncf.training.PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)
def test_only_a_hidden_layer_gives_users_item_orders_of_their_own(tmp_path: Path) -> None:
    found = figures(ncf.main, tmp_path, "--epochs", "9")
    additive, hidden, softmax = found["additive"], found["hidden"], found["softmax"]
    assert additive["different_orders"] == 1
    assert additive["kendall_tau_least"] == pytest.approx(1)
    for other in (hidden, softmax):
        assert other["different_orders"] == other["users_compared"]
        assert other["kendall_tau_mean"] < 0.8
    accuracy = [max(each["history"]["validation_accuracy"]) for each in (additive, hidden)]
    assert accuracy[1] > accuracy[0] + 0.05
    assert all(len(values) == 9 for values in hidden["history"].values())
    assert softmax["history"]["loss"][-1] < softmax["history"]["loss"][0]


def test_without_the_environment_one_is_told_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ncf.training, "PYTHON", tmp_path / "python")
    with pytest.raises(ToolError, match=r"scripts/setup --train") as error:
        ncf.main([])
    assert error.value.code == 2


def test_agreement_of_equal_and_of_reversed_orders() -> None:
    order = np.arange(6)
    assert ncf.agreement(np.stack((order, order))) == (1, 1)
    assert ncf.agreement(np.stack((order, order[::-1]))) == (-1, -1)


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_where_nothing_can_be_written_one_is_told_before_the_work(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for target in (tmp_path / "folder.png", tmp_path / "file" / "out.png"):
        with pytest.raises(SystemExit) as error:
            matrix.main([option, str(target)])
        assert error.value.code == 2
        assert f"argument {option}: expected a file" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "1.5", "9" * 19, "9" * 5000, "x"])
def test_a_seed_that_no_library_takes_is_refused(
    seed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        holdout.main(["--seed", seed])
    assert "argument --seed: expected 0 to 2^32 - 1" in capsys.readouterr().err


def test_the_largest_seed_is_taken(tmp_path: Path) -> None:
    for options in ([], ["--textbook"]):
        assert matrix.main(["--seed", str((1 << 32) - 1), *options]) == 0


def test_a_picture_of_no_known_kind_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        holdout.main(["--plot", str(tmp_path / "out.bogus")])
    assert "expected a name that ends in .png" in capsys.readouterr().err


def test_nobody_need_listen() -> None:
    """As `scripts/example matrix >&-`: standard output is closed."""
    program = f"exec {quote(sys.executable)} -m scripts.tools.commands.example matrix >&-"
    done = subprocess.run(["bash", "-c", program], stderr=subprocess.PIPE, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_who_has_seen_enough_ends_it_quietly() -> None:
    """As `scripts/example matrix | head -1` does."""
    program = (sys.executable, "-m", "scripts.tools.commands.example", "matrix")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(program, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
