"""What users are called inside the job: by their ids, or by pseudonyms."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class NameParams:
    """How users are named."""

    key: bytes | None = field(default=None, repr=False)
    """Of pseudonyms; None: users are called by their ids."""
    former_key: bytes | None = field(default=None, repr=False)
    """Of the pseudonyms that users had before; None for none."""
    formerly_ids: bool = False
    """Whether users may have been called by their ids before."""
    outside: bool = False
    """Whether recommendations call users by their pseudonyms, too."""
