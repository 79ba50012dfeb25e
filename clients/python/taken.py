"""What came of files that were sent into a collection, or read by a worker."""

from dataclasses import dataclass

from convscope.client.collection_info import BrokenFile, in_number


@dataclass(frozen=True)
class Uploaded:
    """What came of the files of an upload."""

    added: int
    """Images that are new."""
    duplicates: int
    """Files that were there already."""
    broken: tuple[BrokenFile, ...]
    """Files that were no pictures, the first 100, and those that were too large to be sent."""
    broken_count: int
    """How many these were in all."""

    def __str__(self) -> str:
        return _in_words(self.added, self.duplicates, self.broken_count)


@dataclass(frozen=True)
class Imported:
    """What came of the files under a URL."""

    added: int
    """Images that are new."""
    duplicates: int
    """Files that were there already."""
    broken_count: int
    """Files that were no pictures; Collection.broken names the first of them."""

    def __str__(self) -> str:
        return _in_words(self.added, self.duplicates, self.broken_count)


def _in_words(added: int, duplicates: int, broken: int) -> str:
    """3 images added, 1 there already, 2 broken."""
    more = [f"{duplicates} there already"] if duplicates else []
    more += [f"{broken} broken"] if broken else []
    return ", ".join([f"{in_number(added, 'image')} added", *more])
