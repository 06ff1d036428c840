"""What may be said to Kafka clients, and in which words."""
