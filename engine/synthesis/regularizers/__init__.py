"""Penalties on pictures."""
