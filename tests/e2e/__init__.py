"""The whole: local clusters, the demo, other languages, crashes, the installed package."""
