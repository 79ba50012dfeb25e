"""What an evaluation has found, as a table, as charts and as a page to read."""
