"""The model store: a version is there whole or not at all, and damage is never served."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

from models.deep.recurrent import Recurrent
from models.deep.shape import Shape
from state.codec.sealed import CorruptError, IncompatibleError, StateError
from state.store import model_store
from state.store.model_store import OPTIMIZER, WEIGHTS, Manifest, ModelStore, StoreError
from state.topics.model_pointer import ModelPointer

SHAPE = Shape(dim=8, width=8)


def weights(seed: int = 1, items: int = 20) -> bytes:
    """Random weights of `SHAPE`."""
    random = np.random.default_rng(seed)
    tensors = {
        name: random.normal(size=size).astype(np.float32)
        for name, size in Recurrent.shapes(SHAPE, items).items()
    }
    return save({"keys": np.arange(items, dtype=np.uint64), **tensors})


def manifest(version: int, root: int = 1) -> Manifest:
    return Manifest(
        version=version, parent=0, root=root, shape=SHAPE.to_dict(), created_at=5,
        events=100, items=20, steps=3, seconds=0.5, offsets={"0": [1, 9]},
    )  # fmt: skip


def put(store: ModelStore, version: int, data: bytes | None = None) -> Manifest:
    files = {WEIGHTS: weights(version) if data is None else data, OPTIMIZER: b"moments"}
    return store.put(manifest(version), files)


def pointer(stored: Manifest, **changes: object) -> ModelPointer:
    told = ModelPointer(
        sequence=1, model=stored.version, root=stored.root, sha256=stored.files[WEIGHTS].sha256,
        shape=SHAPE.to_dict(),
    )  # fmt: skip
    return msgspec.structs.replace(told, **changes)


@pytest.fixture(params=["path", "uri"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    """A store in a folder that does not exist yet."""
    folder = tmp_path / "deep" / "models"
    return ModelStore(folder.as_uri() if request.param == "uri" else str(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "models"


def test_what_was_put_is_read(store: ModelStore) -> None:
    stored = put(store, 7)
    assert store.versions() == [7]
    assert store.manifest(7) == stored
    assert store.read(7, WEIGHTS) == weights(7)
    assert store.read(7, OPTIMIZER) == b"moments"
    model = store.load(pointer(stored), SHAPE)
    assert (model.version, model.root) == (7, 1)
    assert np.array_equal(model.targets, load(weights(7))["targets.weight"])


def test_the_documented_files_are_there(store: ModelStore, folder: Path) -> None:
    put(store, 7)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    names = ("manifest.json", "optimizer.safetensors", "weights.safetensors")
    assert found == [f"00000007/{name}" for name in names]


def test_a_store_that_does_not_exist_is_empty(store: ModelStore) -> None:
    assert store.versions() == []
    store.keep(2, also=[0])
    with pytest.raises(StoreError, match=r"expected .*00000003/manifest.json"):
        store.manifest(3)


@pytest.mark.parametrize("name", ["with space", "per%20cent", "a#b", "q?x", "é"])
def test_a_path_may_have_any_characters(tmp_path: Path, name: str) -> None:
    store = ModelStore(str(tmp_path / name))
    stored = put(store, 1)
    assert (tmp_path / name / "00000001" / WEIGHTS).exists()
    assert store.versions() == [1]
    assert store.load(pointer(stored), SHAPE).version == 1


def test_a_version_without_a_manifest_does_not_exist(store: ModelStore, folder: Path) -> None:
    stored = put(store, 1)
    put(store, 2)
    (folder / "00000002" / "manifest.json").unlink()
    assert store.versions() == [1]
    with pytest.raises(StoreError):
        store.read(2, WEIGHTS)
    assert store.read(1, WEIGHTS)
    assert store.load(pointer(stored), SHAPE).version == 1


def test_a_write_that_is_cut_off_leaves_no_version(
    store: ModelStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> bytes:
        message = "no space left on device"
        raise OSError(message)

    monkeypatch.setattr(model_store.msgspec.json, "encode", full)
    with pytest.raises(StoreError, match=r"expected to write, got: no space"):
        put(store, 1)
    assert store.versions() == []


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"version":1}', b"\xff"])
def test_a_manifest_that_makes_no_sense_is_refused(
    store: ModelStore, folder: Path, text: bytes
) -> None:
    put(store, 1)
    (folder / "00000001" / "manifest.json").write_bytes(text)
    with pytest.raises(StateError, match=r"model 1: expected a manifest"):
        store.manifest(1)


def test_a_file_that_nobody_wrote_is_refused(store: ModelStore) -> None:
    put(store, 1)
    with pytest.raises(StoreError, match=r"model 1: expected the file other, got none"):
        store.read(1, "other")


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_truncated_file_is_refused(store: ModelStore, folder: Path, cut: int) -> None:
    stored = put(store, 1)
    file = folder / "00000001" / WEIGHTS
    file.write_bytes(file.read_bytes()[:cut])
    for read in (lambda: store.load(pointer(stored), SHAPE), lambda: store.read(1, WEIGHTS)):
        with pytest.raises(CorruptError, match=r"with sha256 .*, got another; the model served"):
            read()


def test_another_sha256_than_the_pointers_is_refused(store: ModelStore) -> None:
    stored = put(store, 1)
    with pytest.raises(CorruptError, match=r"expected weights.safetensors with sha256 0000"):
        store.load(pointer(stored, sha256="0" * 64), SHAPE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e5])
def test_weights_that_are_not_sane_are_refused_though_the_sha256_holds(
    store: ModelStore, value: float
) -> None:
    tensors = load(weights())
    tensors["gaps.weight"] = tensors["gaps.weight"].copy()
    tensors["gaps.weight"][0, 0] = value
    stored = put(store, 1, save(tensors))
    with pytest.raises(CorruptError, match=r"expected finite numbers"):
        store.load(pointer(stored), SHAPE)


@pytest.mark.parametrize("data", [b"", b"no safetensors", weights()[:-4], save({})])
def test_weights_that_are_none_are_refused_though_the_sha256_holds(
    store: ModelStore, data: bytes
) -> None:
    stored = put(store, 1, data)
    with pytest.raises(StateError, match=r"deep model 1: expected"):
        store.load(pointer(stored), SHAPE)


def test_items_that_come_twice_are_refused(store: ModelStore) -> None:
    tensors = load(weights())
    tensors["keys"] = tensors["keys"] // 2
    stored = put(store, 1, save(tensors))
    with pytest.raises(CorruptError, match=r"expected every item key once"):
        store.load(pointer(stored), SHAPE)


@pytest.mark.parametrize("shape", [{}, {"dim": 8}, {"depth": 3}, {"dim": "8"}, {"layers": -1}])
def test_a_pointer_of_another_shape_is_refused(
    store: ModelStore, shape: dict[str, str | int]
) -> None:
    stored = put(store, 1)
    with pytest.raises(StateError, match=r"expected the s"):
        store.load(pointer(stored, shape=shape), SHAPE)


def test_weights_of_another_shape_are_refused(store: ModelStore) -> None:
    stored = put(store, 1)
    wide = Shape(dim=8, width=16)
    with pytest.raises(IncompatibleError, match=r"expected .* of float32"):
        store.load(pointer(stored, shape=wide.to_dict()), wide)


def test_the_newest_and_one_more_are_kept(store: ModelStore, folder: Path) -> None:
    for version in (1, 2, 3, 4, 10, 11):
        put(store, version, b"-")
    store.keep(2, also=[3])
    assert store.versions() == [3, 10, 11]
    assert sorted(path.name for path in folder.iterdir()) == ["00000003", "00000010", "00000011"]
    store.keep(5, also=[0])
    assert store.versions() == [3, 10, 11]
    store.keep(2, also=[11])
    assert store.versions() == [10, 11]


def test_what_cannot_be_removed_stays(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (1, 2, 3):
        put(store, version, b"-")

    class ReadOnly:
        def __init__(self, files: object) -> None:
            self._files = files

        def __getattr__(self, name: str) -> object:
            if name.startswith("delete"):
                message = "read-only"
                raise OSError(message)
            return getattr(self._files, name)

    monkeypatch.setattr(store, "_files", ReadOnly(store._files))
    store.keep(1, also=[0])
    assert store.versions() == [1, 2, 3]


def test_a_store_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    store = ModelStore(str(tmp_path / "store"))
    with pytest.raises(StoreError, match=r"expected to (write|list), got"):
        put(store, 1)
    with pytest.raises(StoreError, match=r"expected .*manifest.json, got"):
        store.manifest(1)
    with pytest.raises(StoreError, match=r"expected to list, got"):
        store.versions()


@pytest.mark.parametrize("uri", ["nonsense://x", "://", "relative/path", ""])
def test_a_store_that_makes_no_sense_is_refused(uri: str) -> None:
    with pytest.raises(StoreError, match=r"expected a path or URI"):
        ModelStore(uri)


def test_other_files_in_the_store_are_no_versions(store: ModelStore, folder: Path) -> None:
    put(store, 1)
    (folder / "README").write_text("hands off")
    (folder / "backup").mkdir()
    (folder / "backup" / "manifest.json").write_text("{}")
    assert store.versions() == [1]
