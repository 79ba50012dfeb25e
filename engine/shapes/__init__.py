"""A small made world with a known truth: pictures of a few shapes, what they show in words, questions about them."""
