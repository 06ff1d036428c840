"""The lookup service: what the job's topics hold, over HTTP; no Flink in here."""
