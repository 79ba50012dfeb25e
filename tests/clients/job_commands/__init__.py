"""Commands that begin jobs, and that follow them."""
