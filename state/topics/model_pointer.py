"""The pointer to the deep model that serves: key `model` of `model_updates` (JSON, format 2).

Small and absolute: of a job's own pointers the one that lies last in the topic holds, and it is
published again from time to time. The weights themselves lie in the model store. Pointers of format
1 said nothing of where they came from: they count where a job restores them as its state only.
"""

import math

import msgspec

from models.deep.shape import Shape
from state.codec import json_codec
from state.codec.json_codec import Count
from state.codec.sealed import SKIP, CorruptError, UnknownVersionError

KEY = b"model"
VERSION = 2
READ_VERSIONS = (1, 2)


class ModelPointer(msgspec.Struct, frozen=True, kw_only=True):
    """A model and how much it weighs."""

    format: int = VERSION
    job: str = ""
    """Whose it is, see `models.keys.origin_of`, in hexadecimal."""
    run: str = ""
    """Submission that published it, see `state.topics.lease`."""
    start: str = ""
    """Start of fine-tune that published it: after a failure it goes on from a checkpoint, and what
    it published since then lies in the topic all the same."""
    round: Count = 0
    """Newest round begun when it was published."""
    sequence: Count
    """Grows with every pointer of a start."""
    model: Count
    """Version of the deep model; 0: none is served."""
    root: Count = 0
    """First version of the line it was fine-tuned from."""
    store: str = ""
    """Where the models lie."""
    sha256: str = ""
    """Of the weights file."""
    shape: dict[str, str | int] = {}
    online: float = 1.0
    """Weight of the online score; other than 1 only in pointers of former releases."""
    deep: float = 0.0
    """Weight of the deep score."""

    @property
    def weight(self) -> float:
        """Weight of the deep score beside the online one."""
        return self.deep / self.online if self.online > 0 else 0.0

    def is_of(self, job: str, run: str) -> bool:
        """Return whether this very submission of a job published it."""
        return (self.job, self.run) == (job, run)

    def follows(self, held: "ModelPointer | None") -> bool:
        """Return whether this pointer, read after another one, takes its place."""
        if held is None or (self.job, self.run, self.start) != (held.job, held.run, held.start):
            return True
        return self.sequence > held.sequence

    def shape_of(self) -> Shape:
        """Return the shape of the network.

        Raises
        ------
        StateError
            If it has sizes that this release does not know.
        """
        try:
            return Shape(**self.shape)  # type: ignore[arg-type]
        except TypeError as error:
            raise CorruptError(
                f"model pointer: expected the sizes of a network, got: {error}; {SKIP}"
            ) from None


def encode(pointer: ModelPointer) -> bytes:
    """Return the value of the record."""
    return msgspec.json.encode(pointer)


def decode(value: bytes | None) -> ModelPointer:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If it is no pointer, or one of another format.
    """
    pointer = json_codec.decode(value, ModelPointer, "model pointer", remedy=SKIP)
    if pointer.format not in READ_VERSIONS:
        raise UnknownVersionError(
            f"model pointer: expected format 1 or 2, got {pointer.format}; run the release that"
            " wrote it, or a newer one"
        )
    if not math.isfinite(pointer.weight):
        raise CorruptError(f"model pointer: expected a finite weight, got another; {SKIP}")
    return pointer
