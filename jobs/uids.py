"""Names of the stateful DataStream operators.

Never renamed once released: savepoints find their state by them. SQL operators are numbered by
declaration order (see `jobs.topology`).
"""

LEARN_USERS = "learn-users"
LEARN_ITEMS = "learn-items"
FINE_TUNE = "fine-tune"
FEEDBACK = "feedback"
"""Begins the uids of the sink of the topic."""
ANSWERS = "answers"
"""Begins the uids of the sink of answers to commands about users."""
ORDERS = "orders"
"""Begins the uids of the sink of commands of the job to itself."""
AVAILABILITY = "availability"
"""Begins the uids of what reads the catalogue."""
