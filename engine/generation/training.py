"""The training of a prior, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, cos, isfinite, pi

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.engine.errors import ConvscopeError, InvalidInput, InvalidParameter
from convscope.engine.generation.card import PriorCard
from convscope.engine.generation.codes import CodeRange, CodeReader, RangeCount
from convscope.engine.generation.learning import LOSSES, Learning, under
from convscope.engine.generation.order import Order
from convscope.engine.generation.parameters import FEWEST, TrainingParameters
from convscope.engine.generation.pictures import Pictures
from convscope.engine.generation.prior import Prior
from convscope.engine.models.model import Model
from convscope.engine.synthesis.checkpoint import Checkpoint
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.identity import identity

HELD_OUT, MOST_HELD_OUT = 0.1, 1000
"""Part of the pictures that the errors are measured on, and how many at most."""
SAMPLES = 8
"""Held-out pictures that are shown as they are made."""


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is."""

    step: int
    """Steps done."""
    total: int
    losses: dict[str, float]
    """Of LOSSES those that there are, as the last step found them; none before the first step of the optimizers."""


class Training:
    """advance() takes a step; prior() is there once it is over.

    First steps look at all codes once, for their range; then come the optimizers' steps, all networks on one batch;
    last ones measure on held-out pictures. One thread at a time; the model is as before after each step.
    """

    def __init__(
        self,
        model: Model,
        layer: str,
        pictures: Pictures,
        parameters: TrainingParameters,
        *,
        source: str = "",
        checkpoint: bytes | None = None,
    ) -> None:
        """layer: whose output is the code. pictures: read again and again, in any order. source: what tells them from
        others, a digest for instance. checkpoint: to go on from, what checkpoint() gave for the same; on the CPU the
        prior is to the byte that of an undisturbed run.

        Raises UnknownName (fields `layer`, `preset`); InvalidInput (field `pictures`) for too few or of another size,
        (field `layer`) for a layer that gives the same for all pictures; CheckpointInvalid.
        """
        self._steps, self._batch = parameters.sizes()
        self._parameters = parameters.resolved()
        self._model, self._layer = model, layer
        self._reader = CodeReader(model, layer)
        self._pictures = pictures
        self._order = Order(len(pictures), _held_out(len(pictures)), parameters.seed)
        self._check()
        count = len(pictures)
        self._identity = identity("prior", model, self._parameters, layer=layer, pictures=count, source=source)
        height, width = model.preprocessing.height, model.preprocessing.width
        self._learning = Learning(self._reader, height, width, self._parameters)
        self._count = RangeCount(self._reader.shape, model.device)
        self._range: CodeRange | None = None
        # Of held-out pictures: squares that pixels, codes and noise leave, each with what it is measured by.
        self._left = torch.zeros(3, 2, dtype=torch.float64, device=model.device)
        self._found = torch.full((len(LOSSES),), torch.nan, device=model.device)
        self.step = 0
        """Steps done."""
        if checkpoint is not None:
            self._restore(Checkpoint.from_bytes(checkpoint, self._identity))

    @property
    def total(self) -> int:
        """Steps in all."""
        return self._learned + ceil(len(self._order.held_out) / self._batch)

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.step >= self.total

    def __iter__(self) -> Iterator[TrainingProgress]:
        """Take all steps that are left; the progress after each."""
        while not self.over:
            self.advance()
            yield self.progress()

    def advance(self) -> None:
        """Take one step. ValueError where all are done; InvalidInput (field `layer`) where the layer turns out to give
        what is not finite."""
        if self.over:
            raise ValueError(f"all {self.step} steps are done")
        if self.step < self._scans:
            self._scan()
        elif self.step < self._learned:
            self._learn(self.step - self._scans)
        else:
            self._measure(self.step - self._learned)
        self.step += 1

    def progress(self) -> TrainingProgress:
        """Raises InvalidParameter (field `rate`) where a loss has run away to infinity."""
        found = dict(zip(LOSSES, self._found.tolist(), strict=True))
        losses = {name: found[name] for name in self._learning.losses} if self.step > self._scans else {}
        if not all(map(isfinite, losses.values())):
            message = f"the losses are no longer finite after {self.step} steps; take a smaller rate"
            raise InvalidParameter(message, field="rate")
        return TrainingProgress(self.step, self.total, losses)

    @property
    def can_show(self) -> bool:
        """Whether the codes' range is known, without which nothing is made of them."""
        return self.step >= self._scans

    @torch.no_grad()
    def samples(self) -> list[tuple[Image.Image, Image.Image]]:
        """Held-out pictures, each with what the generator makes of its code now. ValueError before the codes' range is
        known."""
        if not self.can_show:
            raise ValueError(f"{self._scans - self.step} steps that look at codes are left")
        real = self._batch_of(self._order.held_out[:SAMPLES])
        made = self._learning.made(self._codes.standardized(self._reader(real)))
        return [(_drawn(one), _drawn(other)) for one, other in zip(real, made, strict=True)]

    def prior(self) -> Prior:
        """What was learned. ValueError before all is over."""
        if not self.over:
            raise ValueError(f"{self.total - self.step} steps are left")
        pixels, codes, noise = (float(left / whole) for left, whole in self._left)
        card = PriorCard(
            model=self._model.name,
            weights_digest=self._model.weights_digest,
            layer=self._layer,
            generator=self._learning.shape,
            hidden=self._learning.hidden,
            training=self._parameters,
            pictures=len(self._order.learned),
            held_out=len(self._order.held_out),
            pixel_error=pixels**0.5,
            feature_error=codes,
            denoising_error=noise,
        )
        return Prior(card, *self._learning.learned(), self._codes)

    def checkpoint(self) -> bytes:
        """All that is needed to go on from here: a safetensors file."""
        tensors = {"left": self._left, "found": self._found, **self._learning.state()}
        tensors |= {f"range.{name}": tensor for name, tensor in self._count.state().items()}
        return Checkpoint(self._identity, self.step, tensors).to_bytes()

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointInvalid where a digest fits but not what it is of."""
        tensors = checkpoint.tensors
        try:
            if not 0 <= checkpoint.step <= self.total:
                raise ValueError(f"step {checkpoint.step} of {self.total}")
            self._left.copy_(tensors["left"])
            self._found.copy_(tensors["found"])
            self._count.restore(under(tensors, "range."))
            self._learning.restore(tensors)
        except (LookupError, ValueError, RuntimeError, TypeError) as error:
            raise CheckpointInvalid(f"the checkpoint does not fit: {' '.join(str(error).split())[:300]}") from error
        self.step = checkpoint.step

    @property
    def _scans(self) -> int:
        """Steps that look at the codes."""
        return ceil(len(self._order.learned) / self._batch)

    @property
    def _learned(self) -> int:
        """Steps until all is learned."""
        return self._scans + self._steps

    @property
    def _codes(self) -> CodeRange:
        if self._range is None:
            self._range = self._named(self._count)
        return self._range

    def _check(self) -> None:
        """Raise InvalidInput for pictures of another size, and for a layer that gives the first of them the same."""
        size = (3, self._model.preprocessing.height, self._model.preprocessing.width)
        first = self._pictures[0]
        if tuple(first.shape) != size or first.dtype != torch.uint8:
            kind = str(first.dtype).removeprefix("torch.")
            message = f"pictures are uint8 {list(size)}, not {kind} {list(first.shape)}"
            raise InvalidInput(message, field="pictures", reason="SHAPE_MISMATCH")
        count = RangeCount(self._reader.shape, self._model.device)
        with torch.no_grad():
            count.add(self._reader(self._batch_of(self._order.learned[:FEWEST])))
        self._named(count)

    def _named(self, count: RangeCount) -> CodeRange:
        """Its range; an error names the layer."""
        try:
            return count.range()
        except ConvscopeError as error:
            error.message = f"{self._layer}: {error.message}"
            raise

    @torch.no_grad()
    def _scan(self) -> None:
        first = self.step * self._batch
        self._count.add(self._reader(self._batch_of(self._order.learned[first : first + self._batch])))

    def _learn(self, step: int) -> None:
        # The rate falls along a cosine over the second half.
        late = max(0.0, 2 * step / self._steps - 1)
        real = self._batch_of(self._order.batch(step, self._batch))
        found = self._learning.step(real, self._codes, (1 + cos(pi * late)) / 2)
        self._found = torch.stack([found.get(name, self._found[place]) for place, name in enumerate(LOSSES)])

    @torch.no_grad()
    def _measure(self, step: int) -> None:
        real = self._batch_of(self._order.held_out[step * self._batch : (step + 1) * self._batch])
        codes = self._codes.standardized(self._reader(real))
        made, noise = self._learning.made(codes), self._learning.noise(codes, self._parameters.noise)
        missed = (
            (made - real, torch.ones_like(made)),
            (self._codes.standardized(self._reader(made)) - codes, codes),
            (self._learning.cleaned(codes + noise) - codes, noise),
        )
        self._left += torch.stack([torch.stack([_squares(one), _squares(whole)]) for one, whole in missed])

    def _batch_of(self, places: Tensor) -> Tensor:
        """Pictures at places, [N, 3, H, W] from 0 to 1."""
        batch = torch.stack([self._pictures[place] for place in places.tolist()])
        return batch.to(self._model.device).float().div_(255)


def _held_out(count: int) -> int:
    """Of so many pictures. Raises InvalidInput (field `pictures`) for too few."""
    if count < FEWEST:
        message = f"{count} pictures are too few to learn a prior from; at least {FEWEST} are needed"
        raise InvalidInput(message, field="pictures", reason="TOO_FEW_PICTURES")
    return min(MOST_HELD_OUT, round(HELD_OUT * count))


def _squares(values: Tensor) -> Tensor:
    return values.double().square().sum()


def _drawn(picture: Tensor) -> Image.Image:
    pixels = (255 * picture).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(pixels))
