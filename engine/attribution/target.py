"""What is explained: a class, several, a difference of classes, or a unit inside the network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from convscope.engine.errors import InvalidInput
from convscope.engine.models.layers import LayerMap

TOP_CLASS = -1
Output = Literal["score", "probability", "log_probability"]


@dataclass(frozen=True)
class ClassTarget:
    """A class; the sum of several; or what speaks for some rather than for others."""

    classes: tuple[int, ...] = (TOP_CLASS,)
    """Their outputs are added. TOP_CLASS: the class with the highest score."""
    minus: tuple[int, ...] = ()
    """Their outputs are taken off."""
    output: Output | None = None
    """Score before the softmax, probability after it, or its logarithm; None: the method's default."""


@dataclass(frozen=True)
class UnitTarget:
    """A channel of a layer, its mean over all places or its value at one."""

    layer: str
    channel: int
    place: tuple[int, int] | None = None
    """Row and column in the layer's grid; None: the mean over the grid."""

    def check(self, layers: LayerMap) -> None:
        """Raises UnknownName (field `layer`), InvalidInput (fields `channel`, `row`)."""
        layer = layers.layer(self.layer)
        if not 0 <= self.channel < layer.channels:
            message = f"the layer {self.layer!r} has channels 0 to {layer.channels - 1}, not {self.channel}"
            raise InvalidInput(message, field="channel", reason="OUT_OF_RANGE")
        if self.place is None:
            return
        if layer.grid is None:
            message = f"the layer {self.layer!r} has no grid, so that its channels have no places"
            raise InvalidInput(message, field="row", reason="LAYER_NOT_SPATIAL")
        (row, column), (height, width) = self.place, layer.grid
        if not (0 <= row < height and 0 <= column < width):
            message = f"place {row}, {column} is outside the {height} x {width} grid of the layer {self.layer!r}"
            raise InvalidInput(message, field="row", reason="OUT_OF_RANGE")


Target = ClassTarget | UnitTarget


@dataclass(frozen=True)
class Targets:
    """The targets of a batch, all of one kind: they read the same output of the network."""

    each: tuple[Target, ...]
    output: Output = "score"
    """What a ClassTarget reads that does not say."""

    @property
    def layer(self) -> str | None:
        """The layer that is read; None: the scores."""
        first = self.each[0]
        return first.layer if isinstance(first, UnitTarget) else None

    def check(self, layers: LayerMap) -> None:
        """Raises InvalidInput (field `targets`) where a class is missing or a unit is not there."""
        for target in self.each:
            if isinstance(target, ClassTarget):
                if not target.classes + target.minus:
                    raise InvalidInput("a target names at least one class", field="targets", reason="UNKNOWN_CLASS")
                continue
            try:
                target.check(layers)
            except InvalidInput as error:
                error.field = "targets"
                raise

    @staticmethod
    def kind(target: Target) -> tuple[object, ...]:
        """Equal for targets that may stand in one batch."""
        if isinstance(target, UnitTarget):
            return target.layer, target.place is None
        return (target.output,)

    def by_default(self, output: Output) -> "Targets":
        """The same, read as `output` where they do not say."""
        return replace(self, output=output)

    def take(self, rows: Sequence[int]) -> "Targets":
        """The targets of some rows of the batch, which may repeat."""
        return replace(self, each=tuple(self.each[row] for row in rows))

    def resolve(self, scores: Tensor) -> "Targets":
        """The same with every TOP_CLASS named, by the scores [N, classes]."""
        if not any(isinstance(target, ClassTarget) and TOP_CLASS in target.classes for target in self.each):
            return self
        top = scores.detach().argmax(dim=1).tolist()
        named = tuple(
            replace(target, classes=tuple(best if index == TOP_CLASS else index for index in target.classes))
            if isinstance(target, ClassTarget)
            else target
            for target, best in zip(self.each, top, strict=True)
        )
        return replace(self, each=named)

    def values(self, scores: Tensor, unit: Tensor | None = None) -> Tensor:
        """What is explained, as a number for each image: [N], differentiable.

        scores: [N, classes]. unit: the output of `layer` as [N, channels] or [N, channels, height, width].
        Raises InvalidInput for a class that is not there; of units check() says so.
        """
        reading = self._reading(scores, unit)
        terms = [_terms(target, reading) for target in self.each]
        most = max(len(term) for term in terms)
        padded = [[*term, *[(0, 0.0)] * (most - len(term))] for term in terms]
        flat = reading.flatten(1)
        indices = torch.tensor([[index for index, _ in term] for term in padded], device=flat.device)
        weights = torch.tensor(
            [[weight for _, weight in term] for term in padded], device=flat.device, dtype=flat.dtype
        )
        return (flat.gather(1, indices) * weights).sum(dim=1)

    def _reading(self, scores: Tensor, unit: Tensor | None) -> Tensor:
        first = self.each[0]
        if isinstance(first, UnitTarget):
            assert unit is not None
            if unit.ndim not in (2, 4):  # tokens, say, that stand for no places
                return unit.flatten(1, -2).mean(dim=1)
            return unit.mean(dim=(2, 3)) if first.place is None and unit.ndim == 4 else unit
        match first.output or self.output:
            case "probability":
                return scores.softmax(dim=1)
            case "log_probability":
                return scores.log_softmax(dim=1)
            case _:
                return scores


def _terms(target: Target, reading: Tensor) -> list[tuple[int, float]]:
    """Positions in the flattened reading of one image, and their weights. Raises InvalidInput."""
    if isinstance(target, ClassTarget):
        count = reading.shape[1]
        for index in (*target.classes, *target.minus):
            if not 0 <= index < count:
                message = f"class {index} is out of range; the network has classes 0 to {count - 1}"
                raise InvalidInput(message, field="targets", reason="UNKNOWN_CLASS")
        return [(index, 1.0) for index in target.classes] + [(index, -1.0) for index in target.minus]
    if target.place is None:
        return [(target.channel, 1.0)]
    height, width = reading.shape[2:]
    row, column = target.place
    return [((target.channel * height + row) * width + column, 1.0)]
