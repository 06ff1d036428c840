"""Descriptions of items: what files say, what the topic holds, what generated items are called."""

import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.tools.commands import catalog as command
from scripts.tools.console import ToolError
from scripts.tools.data.descriptions import Described, check_encoding, description
from scripts.tools.data.tables import _Single
from scripts.tools.data.titles import described
from state.codec.sealed import StateError
from state.topics import catalog
from state.topics.catalog import Description


def rows(path: Path, columns=None, **more) -> dict[str, Description]:
    return dict(Described([path], columns or {}, **more).rows())


def test_a_text_file_with_a_header(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "item_id,title,genres,in_stock,image_url,created_at\n"
        '7,"Tea, green",Hot|Drinks,yes,https://x/y.png,1700000000\n'
        "8.0,,  ,0,,1700000000000\n"
        ",nobody,,,,\n"
    )
    assert rows(path) == {
        "7": Description(
            title="Tea, green", categories=("Hot", "Drinks"), image="https://x/y.png",
            created_at=1_700_000_000_000,
        ),
        "8": Description(available=False, created_at=1_700_000_000_000),
    }  # fmt: skip


def test_movielens_movies_as_downloaded(tmp_path: Path) -> None:
    path = tmp_path / "movies.dat"
    path.write_bytes(
        "1::Toy Story (1995)::Animation|Children's\n"
        "12::Dracula: Dead and Loving It (1995)::Comedy\n"
        '13::"Great" Cats: a ::Musical\n'
        "73::Misérables, Les (1995)::Drama|Musical\n".encode("latin-1")
    )
    columns = {"item": "1", "title": "2", "categories": "3"}
    found = rows(path, columns, encoding="latin-1")
    assert found["1"] == Description(
        title="Toy Story (1995)", categories=("Animation", "Children's")
    )
    assert found["12"].title == "Dracula: Dead and Loving It (1995)"
    assert found["13"].title == '"Great" Cats: a'
    assert found["73"].title == "Misérables, Les (1995)"
    with pytest.raises(ToolError, match="UTF-8"):
        rows(path, columns)


@pytest.mark.parametrize("size", range(1, 9))
def test_a_double_separator_may_lie_across_two_reads(size: int) -> None:
    text = b"1::a:b::c\n2::::d:\n3::e::f:"
    stream = _Single(pa.PythonFile(io.BytesIO(text), mode="r"))
    found = b"".join(iter(lambda: stream.read(size), b""))
    assert found == b"1\x1fa:b\x1fc\n2\x1f\x1fd:\n3\x1fe\x1ff:"


def test_parquet_with_lists(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    table = {"item_id": ["a", "b"], "title": ["A", None], "categories": [["x", "y"], None],
             "available": [True, False]}  # fmt: skip
    pq.write_table(pa.table(table), path)
    assert rows(path) == {
        "a": Description(title="A", categories=("x", "y")),
        "b": Description(available=False),
    }


def test_a_file_without_titles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,words\n1,a\n")
    with pytest.raises(ToolError, match="expected the columns item_id, title"):
        rows(path)
    assert rows(path, {"title": "words"})["1"].title == "a"


def test_an_encoding_that_nobody_knows() -> None:
    assert check_encoding("latin-1") == "latin-1"
    with pytest.raises(ToolError, match="--encoding: expected one such as"):
        check_encoding("klingon")


@pytest.mark.parametrize("cell", ["0", "false", "No", "out of stock", 0, False])
def test_what_is_not_available(cell) -> None:
    assert not description({"available": cell}).available


@pytest.mark.parametrize("cell", [None, "1", "yes", "in stock", 1, True, ""])
def test_what_is(cell) -> None:
    assert description({"available": cell}).available


@pytest.mark.parametrize("cell", [None, "", "soon", -1, float("nan"), float("inf"), 1e20])
def test_what_is_no_instant(cell) -> None:
    assert description({"created": cell}).created_at is None


def test_a_record_is_read_as_it_was_written() -> None:
    given = Description(title="Tee 🙂", categories=("a", "b"), available=False, url="/x")
    key, value = catalog.encode("i/1", given)
    assert (key, catalog.decode(value)) == (b"i/1", given)


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{", b'{"title": 1}', b'{"available": "no"}', b"\xff"]
)
def test_what_is_no_description(value: bytes) -> None:
    with pytest.raises(StateError, match="catalog: expected a description"):
        catalog.decode(value)


def test_one_category_may_be_a_text() -> None:
    assert catalog.decode(b'{"categories": "tea", "new": 1}').categories == ("tea",)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "ftp://x", "x" * 3000])
def test_links_that_no_page_may_follow(link: str) -> None:
    found = catalog.decode(b'{"url": "%s", "image": "%s"}' % (link.encode(), link.encode()))
    assert (found.url, found.image) == (None, None)


def test_generated_items_have_names_of_their_own() -> None:
    made = dict(described(5_000))
    assert len({one.title for one in made.values()}) == 5_000
    assert list(made)[:2] == ["item-0", "item-1"]
    assert {len(one.categories) for one in made.values()} == {1}


def test_without_a_broker_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title\n1,a\n")
    monkeypatch.setattr(command, "_WAIT_SECONDS", 0.5)
    arguments = ["catalog", "--data", str(path), "--brokers", "127.0.0.1:1", "--run-dir",
                 str(tmp_path)]  # fmt: skip
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(ToolError, match="expected to send 1 descriptions, got: no answer"):
        command.main()
