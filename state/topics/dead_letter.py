"""Dead letters: records of `dead_letter`, with headers that say why a record was refused.

They are the refused record byte for byte, or encrypted (`state.topics.sealed_letter`). An encrypted
letter has

- the header `enc`, `A256GCM`, and `enc.key`, the first 8 hexadecimal digits of the SHA-256 of the
  key;
- the encrypted value for its value;
- the encrypted key in the header `enc.src.key`, and two bytes for its record key, which are the
  same for all letters of a key;
- `src.hmac` and `src.key.hmac` where others have `src.sha256` and `src.key.sha256`.
"""

ENCRYPTION, ALGORITHM = "enc", b"A256GCM"
KEY_ID = "enc.key"
SEALED_KEY = "enc.src.key"

TOPIC, PARTITION, OFFSET = "src.topic", "src.partition", "src.offset"
"""Where the refused record lies."""
VALUE, KEY = "src", "src.key"
"""Begin the names of the headers that stand for what is left out."""
