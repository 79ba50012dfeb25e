"""Networks by name: the catalogue, and what must be known of a network to explain it."""
