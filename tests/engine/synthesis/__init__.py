"""Each part of a synthesis against a slow reference, and what is put together of them."""
