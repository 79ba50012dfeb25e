"""What every source of networks gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import nn

from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.words.task import Task
from convscope.engine.words.tokenizer import Tokenizer

if TYPE_CHECKING:
    from convscope.engine.models.entry import Entry


@dataclass(frozen=True)
class Built:
    """A network with its weights, and what its source knows about it."""

    module: nn.Module
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    labels: Sequence[str] = ()
    """Empty where the source knows none."""
    task: Task = "classify"
    tokenizer: Tokenizer | None = None
    """Of a network that reads or writes words."""


@dataclass(frozen=True)
class Source:
    """A way to networks."""

    check: Callable[["Entry"], None]
    """Raise CatalogueError for an entry that can never load; cheap, run when the catalogue is read."""
    build: Callable[["Entry"], Built]
    """Make the network with its weights. Raises ModelUnloadable."""
