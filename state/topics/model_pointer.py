"""Which deep model is served: records of `model_updates` with the key `model` (JSON, version 1).

Small and absolute: the newest one holds. The weights themselves lie in the model store.
"""

import msgspec

from models.deep.shape import Shape
from state.codec import SKIP, CorruptError, StateError, UnknownVersionError

KEY = b"model"
VERSION = 1


class ModelPointer(msgspec.Struct, frozen=True, kw_only=True):
    """A model and how much it weighs."""

    format: int = VERSION
    sequence: int
    """Grows with every pointer; an older one that comes late is passed over."""
    model: int
    """Version of the deep model; 0: none is served."""
    root: int = 0
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


def supersedes(value: bytes, held: bytes | None) -> bool:
    """Return whether a value is a pointer, and a newer one than what is held."""
    try:
        pointer = decode(value)
    except StateError:
        return False
    try:
        return held is None or pointer.sequence > decode(held).sequence
    except StateError:
        return True


def decode(value: bytes) -> ModelPointer:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If it is no pointer, or one of another format.
    """
    try:
        pointer = msgspec.json.decode(value, type=ModelPointer)
    except msgspec.MsgspecError as error:
        raise CorruptError(f"model pointer: expected its fields, got: {error}; {SKIP}") from None
    if pointer.format != VERSION:
        raise UnknownVersionError(
            f"model pointer: expected format {VERSION}, got {pointer.format}; run the release that"
            " wrote it, or a newer one"
        )
    return pointer
