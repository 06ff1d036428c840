"""What lies in Flink's keyed state, besides users."""
