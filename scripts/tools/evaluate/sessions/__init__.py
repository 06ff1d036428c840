"""scripts/evaluate sessions: the next click of a session, by period."""
