"""What came of files and annotations that were sent into a collection, or made or read by a worker."""

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
    """What came of the files under a URL, or of pictures that were made."""

    added: int
    """Images that are new."""
    duplicates: int
    """Files that were there already."""
    broken_count: int
    """Files that were no pictures; Collection.broken names the first of them."""

    def __str__(self) -> str:
        return _in_words(self.added, self.duplicates, self.broken_count)


@dataclass(frozen=True)
class Annotated:
    """What came of annotations or attention maps that were sent."""

    annotations: int
    """Annotations that are new."""
    attention_maps: int
    """Attention maps that are new."""
    duplicates: int
    """What was there already, the same."""
    broken: tuple[BrokenFile, ...]
    """What could not be taken, the first 100, and what was too large to be sent."""
    broken_count: int
    """How many these were in all."""

    def __str__(self) -> str:
        """3 annotations added, 1 there already; nothing added, 2 broken."""
        kinds = ((self.annotations, "annotation"), (self.attention_maps, "attention map"))
        added = " and ".join(in_number(count, kind) for count, kind in kinds if count) or "nothing"
        return ", ".join([f"{added} added", *_besides(self.duplicates, self.broken_count)])


def _in_words(added: int, duplicates: int, broken: int) -> str:
    """3 images added, 1 there already, 2 broken."""
    return ", ".join([f"{in_number(added, 'image')} added", *_besides(duplicates, broken)])


def _besides(duplicates: int, broken: int) -> list[str]:
    """1 there already; 2 broken; nothing of neither."""
    counts = ((duplicates, "there already"), (broken, "broken"))
    return [f"{count} {what}" for count, what in counts if count]
