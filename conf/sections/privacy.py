"""What is known of people, kept from those who need not know it."""

from typing import Annotated

from pydantic import Field, PlainValidator

from conf.client.letter_key import checked_key
from conf.section import Section


class Privacy(Section):
    """What is known of people, kept from those who need not know it."""

    dead_letter_key: Annotated[str | None, PlainValidator(checked_key)] = Field(
        default=None,
        description="Key and value of dead letters are encrypted with it (AES-256-GCM): a reference"
        " `${env:NAME}` or `${file:PATH}` to 256 bits in base64 or hexadecimal, see"
        " [encrypted dead letters](../scripts/README.md#encrypt-dead-letters); null: they are"
        " written as they are.",
    )
