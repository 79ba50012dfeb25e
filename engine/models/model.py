"""A loaded network with what must be known to explain it."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convscope.engine.models.labels import Labels
from convscope.engine.models.layers import LayerMap
from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.models.variants import Precision, Variants
from convscope.engine.words.given import Given
from convscope.engine.words.task import Task, check_task
from convscope.engine.words.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Model:
    """A network in memory: in evaluation mode, channels last, no parameter requires a gradient."""

    name: str
    description: str
    module: nn.Module
    """Takes pictures; one that takes words too has been given none to speak of: only its layers mean anything."""
    preprocessing: Preprocessing
    labels: Labels
    """One for each class, or of a vqa network each answer; of a captioner none."""
    has_labels: bool
    """False where the labels are but the indices in digits."""
    layers: LayerMap
    weights_digest: str
    device: torch.device
    variants: Variants
    task: Task = "classify"
    network: nn.Module | None = None
    """Of a task of words: takes pictures and tokens."""
    tokenizer: Tokenizer | None = None
    """Of a task of words."""

    def variant(self, precision: Precision, layers: Collection[str] = ()) -> nn.Module:
        """The fastest network of that precision in which `layers` give what they give in `module`; float32 at its ends.

        Raises InvalidInput (PRECISION_UNSUPPORTED).
        """
        return self.variants.module(precision, layers)

    def check_task(self, wanted: Task, *, field: str) -> None:
        """Raises TaskUnsupported where this is no model for that. field: that cannot be for this model."""
        check_task(self.name, self.task, wanted, field=field)

    @property
    def names_classes(self) -> bool:
        """Whether a picture alone has scores of classes."""
        return self.task == "classify"

    def reading(self, words: Tensor) -> nn.Module:
        """The network with words given, tokens [N, L] or [1, L] for all pictures; it takes pictures."""
        assert self.network is not None
        return Given(self.network, words.to(self.device))

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())
