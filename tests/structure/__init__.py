"""Tests that hold the house together: imports, names, the contract."""
