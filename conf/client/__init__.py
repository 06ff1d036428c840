"""Options of Kafka clients: those that are known, and how they are checked."""
