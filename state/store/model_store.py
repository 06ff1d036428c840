"""The model store: a folder of any file system that pyarrow opens, one folder a version.

`<store>/00000007/` holds `weights.safetensors`, `optimizer.safetensors` and, written last,
`manifest.json`: a version without a manifest does not exist, so it is there whole or not at all.
"""

import hashlib
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, FileType

from models.deep.placed import Model
from models.deep.privacy import Spend, most
from models.deep.shape import Shape
from state.codec import json_codec
from state.codec.json_codec import Count
from state.codec.sealed import CorruptError, StateError
from state.store import model_file
from state.store.round_files import Figures, Report
from state.topics.model_pointer import ModelPointer

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"
_MANIFEST, _LEDGER = "manifest.json", "privacy.json"
_UNFINISHED_MS = 3_600_000
_DIGITS = 19
"""Of a number that does not fit into 64 bits."""
_LEDGER_REMEDY = (
    "without it nobody knows what was spent: bring it back, or begin with another store"
)
_REMEDY = "the model served before goes on; see the store"


class StoreError(StateError):
    """The store cannot be read or written; the message says why."""


class MissingError(StoreError):
    """The store can be read and has no such file."""


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a version."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of a version."""

    format: int = 1
    version: Count
    parent: Count
    root: Count
    shape: dict[str, str | int]
    created_at: int
    events: int
    """Events it was trained from."""
    items: int
    steps: int
    seconds: float
    loss: list[float | None] = []
    champion: Figures = {}
    """Figures of the parent on the held-out users."""
    challenger: Figures = {}
    offsets: dict[str, list[int]] = {}
    """First and last offset of the events since the parent, by partition."""
    config: str = ""
    """Hash of the training's settings."""
    epsilon: float = 0.0
    files: dict[str, StoredFile] = {}


class Ledger(msgspec.Struct, frozen=True):
    """Privacy that rounds have spent: a job's state may be older than its models."""

    privacy: list[Spend] = []
    """See `models.deep.privacy.merged`."""
    epsilon: float = 0.0


class ModelStore:
    """Versions in one folder.

    Parameters
    ----------
    uri : str
        A local path, or a URI of file, s3, gs or hdfs.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        try:
            # a path is taken as it is: as a URI it would end at a "#" and may hold no blank
            self._files, self._root = FileSystem.from_uri(uri)
        except (ArrowException, ValueError, OSError) as error:
            raise StoreError(f"model store {uri}: expected a path or URI, got: {error}") from None

    def put(self, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
        """Write a version; the manifest goes last.

        Raises
        ------
        StoreError
            If anything cannot be written: full, read-only, gone.
        """
        described = msgspec.structs.replace(
            manifest,
            files={name: StoredFile(len(data), _digest(data)) for name, data in files.items()},
        )
        folder = self._folder(manifest.version)
        if manifest.version in self.versions():
            raise StoreError(
                f"model store {self.uri}: expected no version {manifest.version}, got one; versions"
                " are never written twice"
            )
        try:
            self._files.create_dir(folder, recursive=True)
            for name, data in files.items():
                with self._files.open_output_stream(f"{folder}/{name}") as stream:
                    stream.write(data)
            self._replace(f"{folder}/{_MANIFEST}", msgspec.json.encode(described))
        except (ArrowException, OSError) as error:
            raise StoreError(f"model store {self.uri}: expected to write, got: {error}") from None
        return described

    def spent(self) -> Ledger:
        """Return what private rounds have spent of their budget, as far as the store knows."""
        try:
            data = self._read(f"{self._root}/{_LEDGER}")
        except MissingError:
            return Ledger()
        where = f"model store {self.uri}: {_LEDGER}"
        return json_codec.decode(data, Ledger, where, remedy=_LEDGER_REMEDY)

    def note_spent(self, ledger: Ledger) -> None:
        """Keep what private rounds have spent, so that a job restored from before knows it, too.

        What the store knows already is never forgotten.
        """
        known = self.spent()
        ledger = Ledger(most(known.privacy, ledger.privacy), max(known.epsilon, ledger.epsilon))
        try:
            self._files.create_dir(self._root, recursive=True)
            self._replace(f"{self._root}/{_LEDGER}", msgspec.json.encode(ledger))
        except (ArrowException, OSError) as error:
            raise StoreError(f"model store {self.uri}: expected to write, got: {error}") from None

    def manifest(self, version: int) -> Manifest:
        """Return what is known of a version."""
        data = self._read(f"{self._folder(version)}/{_MANIFEST}")
        return json_codec.decode(
            data, Manifest, f"model {version}", expected="a manifest", remedy=_REMEDY
        )

    def read(self, version: int, name: str) -> bytes:
        """Return a file of a version once its checksum is known to hold."""
        expected = self.manifest(version).files.get(name)
        if expected is None:
            raise MissingError(f"model {version}: expected the file {name}, got none; {_REMEDY}")
        return self._checked(version, name, expected.sha256)

    def check_sizes(self, manifest: Manifest) -> None:
        """Find the files of a version there, as large as they were written.

        Raises
        ------
        StateError
            If one is not.
        """
        paths = [f"{self._folder(manifest.version)}/{name}" for name in manifest.files]
        try:
            found = self._files.get_file_info(paths) if paths else []
        except (ArrowException, OSError) as error:
            raise StoreError(f"model store {self.uri}: expected to list, got: {error}") from None
        for info, (name, file) in zip(found, manifest.files.items(), strict=True):
            if info.type != FileType.File or info.size != file.bytes:
                raise CorruptError(
                    f"model {manifest.version}: expected {name} of {file.bytes} bytes, got"
                    f" {info.size}; {_REMEDY}"
                )

    def load(self, pointer: ModelPointer, shape: Shape) -> Model:
        """Return the model that a pointer means, checked: sha256, shapes, finite numbers."""
        if pointer.shape_of() != shape:
            raise CorruptError(
                f"deep model {pointer.model}: expected the shape {shape}, got another; {_REMEDY}"
            )
        data = self._checked(pointer.model, WEIGHTS, pointer.sha256)
        model = model_file.decode(data, shape, version=pointer.model, root=pointer.root)
        return replace(model, sha256=pointer.sha256)

    def versions(self) -> list[int]:
        """Return the versions there are, oldest first."""
        try:
            folders = self._numbered()
            manifests = [f"{self._folder(number)}/{_MANIFEST}" for number in folders]
            found = self._files.get_file_info(manifests) if manifests else []
        except (ArrowException, OSError, ValueError) as error:
            raise StoreError(f"model store {self.uri}: expected to list, got: {error}") from None
        return [n for n, info in zip(folders, found, strict=True) if info.type == FileType.File]

    def _numbered(self) -> list[int]:
        """Return the numbers of folders that are named as versions are, right in the store."""
        selected = FileSelector(self._root, allow_not_found=True)
        names = [info.base_name for info in self._files.get_file_info(selected)]
        numbers = (int(name) for name in names if name.isdecimal() and len(name) < _DIGITS)
        return sorted(n for n in numbers if f"{n:08}" in names)

    def sweep(self, now_ms: int) -> None:
        """Remove what versions left that were never finished, once they are an hour old."""
        try:
            for number in self._numbered():
                found = self._files.get_file_info(FileSelector(self._folder(number)))
                names = {info.base_name for info in found}
                newest = max((info.mtime_ns or 0 for info in found), default=0) // 1_000_000
                # with anything else in it the folder is somebody's who knows what it is for
                ours = names and names <= {WEIGHTS, OPTIMIZER, f"{_MANIFEST}.part"}
                if ours and newest < now_ms - _UNFINISHED_MS:
                    self._files.delete_dir(self._folder(number))
        except (ArrowException, OSError, ValueError):
            return

    def keep(self, count: int, *, also: Collection[int]) -> None:
        """Remove all but the newest versions and some more; what cannot be removed stays."""
        try:
            versions = self.versions()
        except StoreError:
            return
        for version in versions[:-count]:
            if version not in also:
                try:
                    self._files.delete_file(f"{self._folder(version)}/{_MANIFEST}")
                    self._files.delete_dir(self._folder(version))
                except (ArrowException, OSError):
                    return

    def _checked(self, version: int, name: str, sha256: str) -> bytes:
        data = self._read(f"{self._folder(version)}/{name}")
        if _digest(data) != sha256:
            raise CorruptError(
                f"deep model {version}: expected {name} with sha256 {sha256[:12]}…, got another;"
                f" {_REMEDY}"
            )
        return data

    def _folder(self, version: int) -> str:
        return f"{self._root}/{version:08}"

    def _read(self, path: str) -> bytes:
        try:
            with self._files.open_input_file(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError as error:
            raise MissingError(f"model store {self.uri}: expected {path}, got: {error}") from None
        except (ArrowException, OSError) as error:
            raise StoreError(f"model store {self.uri}: expected {path}, got: {error}") from None

    def _replace(self, path: str, data: bytes) -> None:
        """Write a file under another name and rename it: it is there whole, or not at all."""
        with self._files.open_output_stream(f"{path}.part") as stream:
            stream.write(data)
        self._files.move(f"{path}.part", path)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def now_ms() -> int:
    """Return the time for `created_at`."""
    return time.time_ns() // 1_000_000


def details(report: Report) -> dict[str, Any]:
    """Return what a manifest takes from the trainer's report."""
    told = msgspec.structs.asdict(report)
    del told["expected"]  # of use once, before the model serves
    return told
