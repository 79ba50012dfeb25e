"""The tokenizer that an entry of the catalogue names."""

from convscope.engine.errors import CatalogueError, ModelUnloadable
from convscope.engine.models.entry import Entry
from convscope.engine.models.factories import find_factory
from convscope.engine.words.tokenizer import Tokenizer, WordTokenizer


def check_tokenizer(entry: Entry) -> None:
    """Raises CatalogueError for one that can never be had; cheap. (Files the catalogue itself looks for.)"""
    if entry.task == "classify" and entry.tokenizer:
        raise CatalogueError(f"model {entry.name}: a network that classifies has no tokenizer")
    if isinstance(entry.tokenizer, str) and ":" in entry.tokenizer:
        find_factory(entry.tokenizer, entry, field="tokenizer")


def find_tokenizer(entry: Entry, known: Tokenizer | None) -> Tokenizer:
    """known: the source's own. Raises ModelUnloadable."""
    if not entry.tokenizer:
        if known is None:
            raise ModelUnloadable(f"model {entry.name}: a network of words needs a tokenizer")
        return known
    try:
        found = _make(entry)
    except Exception as error:  # a team's code may raise anything
        message = f"model {entry.name}: its tokenizer cannot be made: {type(error).__name__}: {error}"
        raise ModelUnloadable(message) from error
    if not isinstance(found, Tokenizer):
        raise ModelUnloadable(f"model {entry.name}: {entry.tokenizer} gave a {type(found).__name__}, no Tokenizer")
    return found


def _make(entry: Entry) -> object:
    if entry.tokenizer_file is not None:
        return WordTokenizer(entry.tokenizer_file.read_text(encoding="utf-8").splitlines())
    if isinstance(entry.tokenizer, list):
        return WordTokenizer(entry.tokenizer)
    return find_factory(entry.tokenizer, entry, field="tokenizer")()
