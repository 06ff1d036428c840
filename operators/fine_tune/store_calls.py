"""Calls to the model store, each run in the background."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.deep.shape import Shape
from operators.fine_tune import rounds
from operators.fine_tune.rounds import Conclusion, RoundParams
from state.codec.sealed import CorruptError
from state.store.model_store import WEIGHTS, Ledger, Manifest, MissingError, ModelStore, now_ms


@dataclass(frozen=True, slots=True)
class Found:
    """Contents of a store."""

    versions: list[int]
    usable: dict[int, Manifest] = field(default_factory=dict)
    """Those asked for that can be served: there, whole, and of the configured shape."""
    refused: dict[int, str] = field(default_factory=dict)
    """Why the others of those asked for cannot."""
    ledger: Ledger = field(default_factory=Ledger)


def look(uri: str, shape: Shape, asked: Sequence[int], *, whole: int = 0) -> Found:
    """Look into a store, and tidy up what was never finished.

    Parameters
    ----------
    asked : sequence of int
        Versions that might serve.
    whole : int
        The one of them whose weights are read and compared; 0: none.

    Raises
    ------
    StateError
        If the store cannot be read, or its account of privacy.
    """
    store = ModelStore(uri)
    store.sweep(now_ms())
    found = Found(store.versions(), ledger=store.spent())
    for version in dict.fromkeys(asked):
        try:
            manifest = _usable(store, version, shape)
            if version == whole:
                store.read(version, WEIGHTS)
        except (CorruptError, MissingError) as error:
            found.refused[version] = str(error)
        else:
            found.usable[version] = manifest
    return found


def _usable(store: ModelStore, version: int, shape: Shape) -> Manifest:
    manifest = store.manifest(version)
    if manifest.version != version or WEIGHTS not in manifest.files:
        raise CorruptError(f"expected model {version} with weights, got another or none")
    if manifest.shape != shape.to_dict():
        raise CorruptError(
            f"expected model {version} of the configured shape {shape.to_dict()}, got"
            f" {manifest.shape}"
        )
    store.check_sizes(manifest)
    return manifest


def fetch(uri: str, folder: Path, version: int, parent: int) -> int:
    """Make a round's folder, put the parent's files there, and number the round.

    Returns
    -------
    int
        Never a number that the store has.

    Raises
    ------
    StateError, OSError
        If the parent's weights cannot be read or the folder not be written.
    """
    store = ModelStore(uri)
    version = max(version, max(store.versions(), default=0) + 1)
    rounds.fetch_parent(folder, store, parent)
    return version


def conclude(
    uri: str,
    folder: Path,
    params: RoundParams,
    *,
    version: int,
    champion: int,
    offsets: Mapping[str, list[int]],
    ledger: Ledger,
) -> Conclusion:
    """Let the gate judge what a trainer left, and store it.

    Raises
    ------
    StateError
        If the trainer's files make no sense or the store cannot be written.
    """
    store = ModelStore(uri)
    if params.privacy is not None:
        store.note_spent(ledger)  # before anybody can see the model
    parent = None
    if rounds.has_parent(folder):
        parent = store.manifest(champion)
    return rounds.conclude(
        folder, params, store, version=version, parent=parent, offsets=offsets,
        epsilon=ledger.epsilon,
    )  # fmt: skip


def tidy(uri: str, keep: int, also: Collection[int]) -> None:
    """Remove versions that nobody needs any more."""
    ModelStore(uri).keep(keep, also=also)


def note_spent(uri: str, ledger: Ledger) -> None:
    """Tell the store what was spent, whatever became of the round."""
    ModelStore(uri).note_spent(ledger)
