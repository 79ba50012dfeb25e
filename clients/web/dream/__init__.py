"""The tab Dream: what the network makes of nothing, and of a photograph."""
