"""The page, in a real browser, with a real cluster behind it."""
