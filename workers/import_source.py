"""Where an import finds its files."""

from abc import ABC, abstractmethod


class Refused(Exception):
    """A file that is not read."""


class Source(ABC):
    """Files under a URL, in the order of their names."""

    names: list[str]

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Raises Refused; OSError where the source is away."""
