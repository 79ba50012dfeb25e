"""Inputs that nobody thought of, against the real servers and readers of files."""
