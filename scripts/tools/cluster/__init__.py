"""Processes of Flink and Kafka on this machine, what starts and ends them, and where things lie."""
