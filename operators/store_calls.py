"""What fine-tune asks of its store, each in one call that runs in the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.deep.shape import Shape
from operators import rounds
from operators.rounds import Conclusion, RoundParams
from state.codec import CorruptError
from state.model_store import WEIGHTS, Ledger, Manifest, MissingError, ModelStore, now_ms


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in a store."""

    versions: list[int]
    usable: dict[int, Manifest] = field(default_factory=dict)
    """Those asked for that can be served: there, whole, and of the configured shape."""
    refused: dict[int, str] = field(default_factory=dict)
    """Why the others of those asked for cannot."""
    ledger: Ledger = field(default_factory=Ledger)


def look(uri: str, shape: Shape, asked: Sequence[int]) -> Found:
    """Look into a store, and tidy up what was never finished.

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
    return manifest


def fetch(uri: str, folder: Path, version: int, parent: int) -> tuple[int, int]:
    """Make a round's folder and put the parent's files there.

    Returns
    -------
    (int, int)
        The number of the round: never one that the store has. The parent: 0 where its files are
        gone or damaged, and the round begins from nothing.

    Raises
    ------
    StateError, OSError
        If the store cannot be read or the folder not be written.
    """
    store = ModelStore(uri)
    version = max(version, max(store.versions(), default=0) + 1)
    try:
        rounds.fetch_parent(folder, store, parent)
    except (CorruptError, MissingError):
        parent = 0
        rounds.fetch_parent(folder, store, parent)
    return version, parent


def conclude(
    uri: str,
    folder: Path,
    params: RoundParams,
    *,
    version: int,
    champion: int,
    offsets: Mapping[str, list[int]],
    ledger: Ledger,
    keep: int,
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
    done = rounds.conclude(
        folder, params, store, version=version, parent=parent, offsets=offsets,
        epsilon=ledger.epsilon,
    )  # fmt: skip
    if done.manifest is not None:
        store.keep(keep, also=champion)
    return done


def note_spent(uri: str, ledger: Ledger) -> None:
    """Tell the store what was spent, whatever became of the round."""
    ModelStore(uri).note_spent(ledger)
