"""Tools that send to Kafka and read from it."""
