"""The SDK and the command line, against real servers."""
