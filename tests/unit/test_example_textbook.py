"""Of the textbooks' matrix: SGD, ALS, SVD and NMF do what their texts say, and files are read."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD

from scripts.examples import factorising, matrix, ratings_file, textbook
from scripts.tools.console import ToolError

PNG = b"\x89PNG"
UNKNOWN = textbook.TEXTBOOK == 0
RATINGS = np.where(UNKNOWN, np.nan, textbook.TEXTBOOK)
TEXTBOOK_CSV = "\n".join(",".join(f"{x:g}" for x in row) for row in textbook.TEXTBOOK)


def figures(folder: Path, *arguments: str):
    out = folder / "out.json"
    assert matrix.main(["--json", str(out), *arguments]) == 0
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("textbook")
    picture = folder / "out.png"
    found = figures(folder, "--textbook", "--plot", str(picture))
    assert picture.read_bytes().startswith(PNG)
    return found


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def sparse() -> np.ndarray:
    """Ratings of 12 x 7, some unknown, one row and one column wholly."""
    ratings = rng().integers(1, 6, (12, 7)).astype(float)
    ratings[rng().random(ratings.shape) < 0.4] = np.nan
    ratings[3], ratings[:, 2] = np.nan, np.nan
    return ratings


def test_what_the_textbooks_matrix_allows(worked) -> None:
    methods = worked["methods"]
    assert (worked["known_cells"], worked["cells"]) == (7, 25)
    assert worked["least_rmse_all"] == pytest.approx(1.24, abs=0.005)
    assert worked["zeros"]["rmse_all"] == pytest.approx(2.51, abs=0.005)
    assert methods["SVD"]["rmse_all"] == pytest.approx(worked["least_rmse_all"])
    for name in ("SGD", "ALS"):
        assert methods[name]["rmse_known"] < 0.06
        assert methods[name]["rmse_all"] > 1.5
    assert methods["SVD"]["rmse_known"] > 2
    assert methods["NMF"]["rmse_all"] == pytest.approx(1.24, abs=0.005)


def test_factors_within_0_and_1_are_far_from_everything(worked) -> None:
    """Two factors make products of at most 2: fives are 3 away, fours 2."""
    bound = worked["entries_to_1"]
    assert bound == {"rmse_known": pytest.approx(np.sqrt((5 * 9 + 2 * 4) / 7))}


def test_svd_is_the_best_of_its_rank() -> None:
    """Of two implementations; a random matrix of rank 2 is further away."""
    full = rng().normal(size=(9, 6))
    ours = factorising.svd(full, 2).product
    other = TruncatedSVD(2, algorithm="arpack", random_state=1)
    np.testing.assert_allclose(ours, other.fit_transform(full) @ other.components_, atol=1e-9)
    rmse = np.sqrt(np.mean((ours - full) ** 2))
    assert rmse == pytest.approx(factorising.least_rmse(full, 2))
    moved = ours + 0.1 * np.outer(*factorising.svd(ours, 1)[:2])
    assert np.sqrt(np.mean((moved - full) ** 2)) > rmse


@pytest.mark.parametrize("ratings", [RATINGS, sparse()], ids=["textbook", "12 x 7"])
def test_the_loss_of_als_never_rises(ratings) -> None:
    losses = factorising.als(ratings, 2, rng()).loss
    assert len(losses) == 1 + factorising.SWEEPS
    assert all(after <= before + 1e-12 for before, after in pairwise(losses))
    assert losses[-1] < losses[0] / 5


@pytest.mark.parametrize("ratings", [RATINGS, sparse()], ids=["textbook", "12 x 7"])
def test_half_a_sweep_leaves_no_gradient(ratings) -> None:
    """The items were solved last: nudging any of their numbers changes the loss by no first order;
    of users, solved before, this holds no longer."""
    users, items = factorising.start(ratings, 2, rng())
    decay = factorising.DECAY * factorising.largest(ratings)
    users = factorising.solved(ratings, items, decay)
    items = factorising.solved(ratings.T, users, decay)
    slopes = [
        [
            (factorising.loss(ratings, *up) - factorising.loss(ratings, *down)) / 2e-5
            for up, down in nudged(users, items, side)
        ]
        for side in (0, 1)
    ]
    assert np.abs(slopes[1]).max() < 1e-6
    assert np.abs(slopes[0]).max() > 1e-3


def nudged(users, items, side: int):
    for cell in np.ndindex((users, items)[side].shape):
        both = []
        for step in (1e-5, -1e-5):
            pair = [users.copy(), items.copy()]
            pair[side][cell] += step
            both.append(pair)
        yield both


def test_sgd_and_als_lower_the_same_loss_to_the_same_value() -> None:
    least = factorising.als(RATINGS, 2, rng()).loss[-1]
    assert factorising.sgd(RATINGS, 2, rng()).loss[-1] == pytest.approx(least, rel=0.01)


@pytest.mark.parametrize("method", [factorising.sgd, factorising.als])
def test_what_known_cells_leave_open_depends_on_the_start(method) -> None:
    """Users 0 and 3 share item 1, so that item 2 is settled for user 3, by decay: 5 x 4 / 5.
    Nothing is shared with user 1: what that one thinks of item 0 is anything."""
    products = [method(RATINGS, 2, np.random.default_rng(seed)).product for seed in range(6)]
    assert np.std([one[1, 0] for one in products]) > 0.1
    assert [one[3, 2] for one in products] == pytest.approx([4] * 6, abs=0.25)
    assert [one[0, 1] for one in products] == pytest.approx([5] * 6, abs=0.1)


@pytest.mark.parametrize("method", [factorising.sgd, factorising.als])
def test_who_has_no_known_cell_gets_zeros(method) -> None:
    found = method(sparse(), 2, rng())
    assert not found.users[3].any()
    assert not found.items[2].any()
    assert found.users[0].all()


def test_a_step_on_a_diagonal_is_a_step_on_each_of_its_cells(monkeypatch) -> None:
    """One epoch, cell by cell by the equations of Koren et al., in the order of the diagonals."""
    monkeypatch.setattr(factorising, "EPOCHS", 1)
    ratings = sparse()
    ours = factorising.sgd(ratings, 2, rng())
    again = rng()
    users, items = factorising.start(ratings, 2, again)
    rate, decay = factorising.RATE / 5, factorising.DECAY * 5
    cells = np.argwhere(~np.isnan(ratings))
    number = (cells[:, 1] - cells[:, 0]) % 12
    for one in np.unique(number)[again.permutation(len(np.unique(number)))]:
        for u, i in cells[number == one]:
            error = ratings[u, i] - users[u] @ items[i]
            users[u], items[i] = (
                users[u] + rate * (error * items[i] - decay * users[u]),
                items[i] + rate * (error * users[u] - decay * items[i]),
            )
    np.testing.assert_allclose(ours.users, users)
    np.testing.assert_allclose(ours.items, items)


@pytest.mark.parametrize("method", [factorising.sgd, factorising.als])
def test_ratings_in_cents_give_what_ratings_in_dollars_give(method) -> None:
    cents = method(100 * RATINGS, 2, rng()).product
    np.testing.assert_allclose(cents, 100 * method(RATINGS, 2, rng()).product, rtol=1e-6)


def test_large_matrices_have_fewer_epochs() -> None:
    assert factorising.rounds(RATINGS, 400) == 400
    assert factorising.rounds(np.ones((400, 400)), 400) == 62
    assert factorising.rounds(np.ones((1000, 1000)), 400) == 20


def test_the_same_seed_gives_the_same_figures(worked, tmp_path: Path) -> None:
    assert figures(tmp_path, "--textbook", "--seed", "1") == worked
    other = figures(tmp_path, "--textbook", "--seed", "2")
    assert other["methods"]["SGD"] != worked["methods"]["SGD"]


def test_a_file_of_the_same_matrix_gives_the_same_figures(worked, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(TEXTBOOK_CSV)
    found = figures(tmp_path, "--file", str(path))
    assert found == {name: value for name, value in worked.items() if name != "entries_to_1"}


def read(folder: Path, data: bytes) -> ratings_file.Table:
    path = folder / "own.csv"
    path.write_bytes(data)
    return ratings_file.read(path)


@pytest.mark.parametrize(
    "data",
    [
        b",tea,cup\nann,5,\nben,0,4.5\n",
        b"\xef\xbb\xbf;tea;cup\r\nann;5;NaN\r\n\r\nben;;4.5\r\n",
        b"who\ttea\tcup\nann\t5\tnan\nben\t\t4.5",
        b'"",tea,cup\n"ann", 5 ,\n"ben",-0,"4.5"\n',
    ],
    ids=["commas", "semicolons, BOM, CRLF", "tabs", "quotes"],
)
def test_files_may_look_in_several_ways(tmp_path: Path, data: bytes) -> None:
    table = read(tmp_path, data)
    assert (table.users, table.items) == (["ann", "ben"], ["tea", "cup"])
    np.testing.assert_array_equal(table.ratings, [[5, np.nan], [np.nan, 4.5]])


@pytest.mark.parametrize(
    ("data", "users", "items"),
    [
        (b"5,4\n3,2\n", ["user 0", "user 1"], ["item 0", "item 1"]),
        (b"\xef\xbb\xbf5,4\n3,2\n", ["user 0", "user 1"], ["item 0", "item 1"]),
        (b"tea,cup\n5,4\n3,2\n", ["user 0", "user 1"], ["tea", "cup"]),
        (b"ann,5,4\nben,3,2\n", ["ann", "ben"], ["item 0", "item 1"]),
    ],
)
def test_names_may_be_missing(tmp_path: Path, data: bytes, users, items) -> None:
    table = read(tmp_path, data)
    assert (table.users, table.items) == (users, items)
    np.testing.assert_array_equal(table.ratings, [[5, 4], [3, 2]])


BAD = {
    "no number": (b"5,4\n3,x\n", r"line 2: expected a number, .* in cell 2, got 'x'; use"),
    "no header": (b"5,x\n3,4\n", r"line 1: expected a number, .* in cell 2, got 'x'; use"),
    "decimal comma": (b"4,5;3\n1;2\n", r"line 1: .* in cell 1, got '4,5'; use a decimal point"),
    "ragged": (b"5,4\n\n3\n", r"line 3: expected 2 cells, as in line 1, got 1; leave"),
    "empty": (b"", "expected a row for each user, got an empty file; write"),
    "only a header": (b",tea,cup\n", "expected rows below the header, got none; add"),
    "all unknown": (b"0,,NaN\n0,0,0\n", "expected a known rating, got only unknown cells; fill"),
    "infinite": (b"5,4\n3,-inf\n", r"line 2: expected a finite number, .* got '-inf'; correct"),
    "overflow": (b"5,1e999\n", r"line 1: expected a finite number, .* got '1e999'; correct"),
    "large": (b"5,1e7\n", r"line 1: expected 0 or a size from 0.000001 to 1,000,000 .* got '1e7'"),
    "tiny": (b"5,1e-7\n", r"line 1: expected 0 or a size from 0.000001 to 1,000,000 .* got '1e-7'"),
    "Latin 1": (b"5,4\ncaf\xe9,3\n", "line 2: expected UTF-8, got byte 0xe9; save"),
    "UTF-16": ("5,4\n".encode("utf-16-le"), "line 1: expected text, got a NUL byte; save"),
    "quotes": (b'5,"4\n3,2\n', "line 2: expected CSV, got unexpected end of data; check"),
    "rows": (b"1\n" * 1001, "expected at most 1,000 rows and 1,000 columns, got 1,001 x 1;"),
    "many rows": (b"1\n" * 9999, "expected at most 1,000 rows and 1,000 columns, got more;"),
    "columns": (b"1," * 1000 + b"1", "expected at most 1,000 rows .* got 1 x 1,001; take"),
    "bytes": (b" " * 20_000_001, "expected at most .* got more than 20,000,000 bytes; take"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_told_where_and_why(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ToolError, match=message) as error:
        read(tmp_path, data)
    assert error.value.code == 2
    assert str(error.value).startswith(str(tmp_path / "own.csv"))


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    data = b"," + b",".join([b"x"] * 1000) + (b"\nx" + b",1" * 1000) * 1000
    assert read(tmp_path, data).ratings.shape == (1000, 1000)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ToolError, match=r"none\.csv: expected a file that can be read, got No such"
    ):
        ratings_file.read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--textbook", "--factors", "6"], "expected 1 to 5 for 5 x 5 ratings, got 6; lower it"),
        (["--factors", "2"], "expected --textbook or --file with it; add one"),
        (["--textbook", "--file", "x.csv"], "expected one matrix, got two; leave one"),
    ],
)
def test_options_that_do_not_fit(arguments: list[str], message: str) -> None:
    with pytest.raises(ToolError, match=message) as error:
        matrix.main(arguments)
    assert error.value.code == 2


def test_factors_can_be_chosen(tmp_path: Path) -> None:
    found = figures(tmp_path, "--textbook", "--factors", "5")
    assert found["least_rmse_all"] == pytest.approx(0, abs=1e-9)
    assert found["methods"]["SVD"]["rmse_all"] == pytest.approx(0, abs=1e-9)
    assert np.shape(found["methods"]["ALS"]["users"]) == (5, 5)


def test_negative_ratings_leave_nmf_out_and_empty_rows_are_told(tmp_path: Path, capsys) -> None:
    path = tmp_path / "own.csv"
    path.write_text("-5,0,0\n0,0,0\n4,3,0\n")
    found = figures(tmp_path, "--file", str(path))
    assert list(found["methods"]) == ["SGD", "ALS", "SVD"]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "note: rows without a known cell (2) get zeros for factors",
        "note: columns without a known cell (3) get zeros for factors",
        "note: NMF takes no negative ratings; it is left out",
    ]


def test_what_is_printed(capsys) -> None:
    matrix.main(["--textbook"])
    said = capsys.readouterr().out
    assert "SVD U" in said
    assert [line.split() for line in said.splitlines() if line.startswith(("SVD  ", "all z"))] == [
        ["SVD", "2.113", "1.241"],
        ["all", "zeros", "4.736", "2.506"],
    ]
    assert "20 factors are more than known cells can settle (7)" in said
