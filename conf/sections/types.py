"""Types of values that several sections share."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator

from conf.client.properties import checked_properties
from conf.section import refusal


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        words = "a power of two"
        raise refusal(words)
    return value


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error:
        words = "a regular expression"
        raise refusal(words) from None
    return pattern


Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")]
EventType = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
Weight = Annotated[float, Field(ge=-1e6, le=1e6)]
FieldPath = Annotated[str, Field(pattern=r"^[^.\s'\"\x00-\x1f\x7f]+(\.[^.\s'\"\x00-\x1f\x7f]+)*$")]
Regular = Annotated[str, AfterValidator(_regular)]
Buckets = Annotated[int, AfterValidator(_power_of_two)]
Properties = Annotated[dict[str, str], PlainValidator(checked_properties)]
