"""A cluster under faults."""
