"""The tokenizer that an entry of the catalogue names."""

from convscope.engine.errors import CatalogueError, ModelUnloadable
from convscope.engine.models.entry import Entry
from convscope.engine.models.factories import find_factory
from convscope.engine.words.tokenizer import Tokenizer, WordTokenizer


def check_tokenizer(entry: Entry) -> None:
    """Raises CatalogueError for one that can never be had; cheap."""
    if entry.task == "classify" and entry.tokenizer:
        raise CatalogueError(f"model {entry.name}: a network that classifies has no tokenizer")
    if not isinstance(entry.tokenizer, str) or not entry.tokenizer:
        return
    if ":" in entry.tokenizer:
        find_factory(entry.tokenizer, entry, field="tokenizer")
    elif not (entry.folder / entry.tokenizer).is_file():
        raise CatalogueError(f"model {entry.name}: there is no tokenizer file {entry.folder / entry.tokenizer}")


def find_tokenizer(entry: Entry, known: Tokenizer | None) -> Tokenizer:
    """known: the source's own. Raises ModelUnloadable."""
    if not entry.tokenizer:
        if known is None:
            raise ModelUnloadable(f"model {entry.name}: a network of words needs a tokenizer")
        return known
    try:
        if isinstance(entry.tokenizer, list):
            return WordTokenizer(entry.tokenizer)
        if ":" in entry.tokenizer:
            made: Tokenizer = find_factory(entry.tokenizer, entry, field="tokenizer")()
            return made
        return WordTokenizer((entry.folder / entry.tokenizer).read_text(encoding="utf-8").splitlines())
    except Exception as error:  # a team's code may raise anything
        message = f"model {entry.name}: its tokenizer cannot be made: {type(error).__name__}: {error}"
        raise ModelUnloadable(message) from error
