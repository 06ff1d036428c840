"""What the tools send to Kafka and read from it."""
