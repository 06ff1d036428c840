"""What is known of people, kept from those who need not know it."""

from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from conf.client.letter_key import checked_key
from conf.section import Section
from conf.sections.types import FieldPath

_Key = Annotated[str | None, PlainValidator(checked_key)]


class Privacy(Section):
    """What is known of people, kept from those who need not know it."""

    consent: FieldPath | None = Field(
        default=None,
        description="Path of the field of an event that says whether it may be learnt and kept:"
        " `false`, `no`, `denied` or 0 mean no; such an event is answered by a list, and no more."
        " null: all may.",
    )
    consent_required: bool = Field(
        default=False, description="Whether an event that says nothing of consent means no."
    )
    dead_letter_key: _Key = Field(
        default=None,
        description="Key and value of dead letters are encrypted with it (AES-256-GCM): a reference"
        " `${env:NAME}` or `${file:PATH}` to 256 bits in base64 or hexadecimal, see"
        " [encrypted dead letters](../scripts/README.md#encrypt-dead-letters); null: they are"
        " written as they are.",
    )
    pseudonym_key: _Key = Field(
        default=None,
        description="Inside the job users are called by pseudonyms that are made with it"
        " (HMAC-SHA256), see [pseudonyms](privacy.md#pseudonyms): a reference as that of"
        " `dead_letter_key`; null: they are called by their ids.",
    )
    former_pseudonym_key: _Key = Field(
        default=None,
        description="The key of before, while users still come who were called by it.",
    )
    recommendations_by: Literal["id", "pseudonym"] = Field(
        default="id", description="What key and `user_id` of recommendations are."
    )
    counts_epsilon: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="Epsilon of user-level differential privacy of each count of trending items,"
        " see [what it covers](privacy.md#differential-privacy-of-trending-items). null: counts are"
        " told as they are.",
    )
    counts_delta: float = Field(
        default=1e-6, gt=0, le=0.01, description="Its delta: far less than one by all users."
    )
    counts_items: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Distinct items of a user that one count may have, each once. More of them"
        " need more noise.",
    )
