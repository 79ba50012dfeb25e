"""The loop: objective, parameterization, regularizers, transforms, filters and optimizer, step by step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine.attribution.backward_rule import ReluRule
from convscope.engine.attribution.fixed_norm import FixedNorm
from convscope.engine.imaging.contact_sheet import Tile, contact_sheet
from convscope.engine.synthesis.checkpoint import Checkpoint
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.filters.gradient_filter import GradientFilter
from convscope.engine.synthesis.history import History
from convscope.engine.synthesis.objectives.objective import Objective
from convscope.engine.synthesis.optimizers.langevin import Langevin
from convscope.engine.synthesis.optimizers.optimizer import Look, Optimizer
from convscope.engine.synthesis.parameterizations.parameterization import Parameterization
from convscope.engine.synthesis.priors.prior import Prior
from convscope.engine.synthesis.redirected_relu import redirected_rule
from convscope.engine.synthesis.regularizers.regularizer import Regularizer
from convscope.engine.synthesis.state import Progress, State
from convscope.engine.synthesis.transforms.transform import Transform

# Pictures whose graph is held at once. Not by the free memory: other batches round otherwise, and a run that goes on
# from a checkpoint is to give what an undisturbed one gives.
MOST = {"cpu": 8, "cuda": 64}
CHAIN, MOST_SHOWN = "chain.png", 16
"""The sheet of a chain, and how many of its pictures it shows: evenly from the first to the last."""


@dataclass(frozen=True)
class Parts:
    """What a synthesis is made of.

    variables ── parameterization ── images ─┬─ transforms ── objective ──┐
        │                                    └─ regularizers ─────────── (-) ── gradient ── filters ── optimizer
        └───────────────────────────────────────────────────────────────────────────────── priors ──── (+)
    """

    parameterization: Parameterization
    objective: Objective
    optimizer: Optimizer
    transforms: tuple[Transform, ...] = ()
    regularizers: tuple[Regularizer, ...] = ()
    filters: tuple[GradientFilter, ...] = ()
    priors: tuple[Prior, ...] = ()
    levels: Callable[[Tensor], Tensor] = lambda images: images
    """Images as the network takes them to those that the regularizers see."""
    redirected: int = 0
    """First steps in which ReLUs pass gradients by redirected_rule()."""


class Synthesis:
    """A run of its parts: advance() takes a step, and `for state in synthesis` takes all that are left.

    Steps of ascent copy nothing to the host. One thread at a time; the network is as before after each step.
    """

    def __init__(
        self,
        parts: Parts,
        variables: Tensor,
        total: int,
        generator: torch.Generator,
        *,
        identity: Mapping[str, Any],
        checkpoint: bytes | None = None,
    ) -> None:
        """variables: those that the parameterization starts from. generator: of the transforms, on the CPU. identity:
        all that the outcome depends on, plain JSON. checkpoint: to go on from, what checkpoint() gave for the same
        identity; on the CPU the outcome is to the byte that of an undisturbed run. Raises CheckpointInvalid."""
        self.total = total
        """Steps at most."""
        self.step = 0
        """Steps done."""
        self._parts = parts
        self._variables = variables.detach()
        self._generator = generator
        # Of the optimizer. Apart, because the transforms are drawn again for each part of a batch.
        self._chance = torch.Generator().manual_seed(generator.initial_seed())
        self._identity = identity
        self._history = History(len(variables), variables.device)
        if checkpoint is not None:
            self._restore(Checkpoint.from_bytes(checkpoint, identity))

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.step >= self.total

    def results(self) -> list[dict[str, Any]]:
        """What is known of each picture, plain JSON: its `score`, and what it was made for."""
        return [{"score": score} for score in self.progress().scores]

    def outcome(self) -> dict[str, Any]:
        """What is known of the whole, plain JSON."""
        return {}

    def extra_pictures(self) -> dict[str, Image.Image]:
        """Pictures beside those that were made, by the names of their files: where a way was kept, its sheet, a row for
        each picture."""
        rows = [[Tile(picture) for picture in _evenly(links)] for links in self.chain()]
        if not rows or not rows[0]:
            return {}
        return {CHAIN: contact_sheet(rows, cell=rows[0][0].picture.size, captions=False)}

    def chain(self) -> list[list[Image.Image]]:
        """Of each picture those on the way to it that langevin kept, the first one first; one of them may be the
        picture itself. Empty where nothing was kept."""
        walk = self._parts.optimizer
        links = walk.chain if isinstance(walk, Langevin) else ()
        shown = self._parts.parameterization.shown
        rows = [
            State(0, self.total, codes, torch.full((1 + len(codes),), torch.nan), shown).pictures() for codes in links
        ]
        return [list(one) for one in zip(*rows, strict=True)]

    def advance(self) -> None:
        """Take one step. ValueError where all are done."""
        if self.over:
            raise ValueError(f"all {self.step} steps are done")
        parts = self._parts
        variables = parts.parameterization.before(self.step, self._variables)
        hill = _Slope(parts, self._generator, self.step)
        chance = self._chance.get_state()
        try:
            variables, found = parts.optimizer.step(self.step, variables, hill, self._chance)
        except BaseException:
            # The step can be taken again.
            self._generator.set_state(hill.drawn)
            self._chance.set_state(chance)
            raise
        for prior in parts.priors:
            variables = prior(self.step, variables, found.raw)
        self._variables = variables
        self._history.add(-found.values.mean(), found.scores)
        self.step += 1

    def __iter__(self) -> Iterator[State]:
        """Take all steps that are left; the state after each."""
        while not self.over:
            self.advance()
            yield self.state()

    def state(self) -> State:
        """What can be seen now, which stays as it is when more steps are taken."""
        rows = self._history.rows()
        row = rows[-1] if len(rows) else torch.full((1 + len(self._variables),), torch.nan)
        return State(self.step, self.total, self._variables, row, self._parts.parameterization.shown)

    def progress(self) -> Progress:
        """As State.progress()."""
        return self.state().progress()

    def values(self) -> NDArray[np.float32]:
        """As State.values()."""
        return self.state().values()

    def pictures(self) -> list[Image.Image]:
        """As State.pictures()."""
        return self.state().pictures()

    def history(self) -> dict[str, list[Any]]:
        """All steps so far, plain JSON: "step" (from 1), "loss" and "scores" (a list with one for each picture), as
        Progress has them; None for what is not finite."""
        rows = [[number if isfinite(number) else None for number in row] for row in self._history.rows().tolist()]
        return {
            "step": list(range(1, len(rows) + 1)),
            "loss": [row[0] for row in rows],
            "scores": [row[1:] for row in rows],
        }

    def checkpoint(self) -> bytes:
        """All that is needed to go on from here: a safetensors file."""
        tensors = {
            "variables": self._variables,
            "generator": self._generator.get_state(),
            "chance": self._chance.get_state(),
            "history": self._history.rows(),
        }
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self._parts.optimizer.state().items()}
        return Checkpoint(self._identity, self.step, tensors).to_bytes()

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointInvalid where a digest fits but not what it is of."""
        try:
            variables, rows = checkpoint.tensors["variables"], checkpoint.tensors["history"]
            expected = self._parts.parameterization.shape(checkpoint.step)
            fits = (
                0 <= checkpoint.step <= self.total
                and (variables.shape, variables.dtype) == (expected, self._variables.dtype)
                and rows.shape == (checkpoint.step, 1 + len(variables))
            )
            if not fits:
                raise ValueError(f"step {checkpoint.step} with pictures of {tuple(variables.shape)}")
            device = self._variables.device
            variables = _laid_out(variables.to(device))
            self._generator.set_state(checkpoint.tensors["generator"])
            self._chance.set_state(checkpoint.tensors["chance"])
            remembered = {
                name.removeprefix("optimizer."): tensor
                for name, tensor in checkpoint.tensors.items()
                if name.startswith("optimizer.")
            }
            if checkpoint.step:
                self._parts.optimizer.restore(remembered, variables)
        except (KeyError, ValueError, RuntimeError, TypeError, IndexError) as error:
            raise CheckpointInvalid(f"the checkpoint does not fit: {error}") from error
        self._variables = variables
        self._history = History(len(variables), device, rows)
        self.step = checkpoint.step


class _Slope:
    """The hill at one step, in parts of as many pictures as fit."""

    def __init__(self, parts: Parts, generator: torch.Generator, step: int) -> None:
        self._parts = parts
        self._generator = generator
        self._step = step
        self.drawn = generator.get_state()
        """Before the transforms of this step."""

    def climb(self, variables: Tensor) -> Look:
        """As Hill."""
        looks = [self._climb(variables[start : start + most], start) for start, most in self._shares(variables)]
        raw = _joined([look.raw for look in looks])
        assert raw is not None
        gradient = raw
        for gradient_filter in self._parts.filters:
            gradient = gradient_filter(gradient)
        values, scores = (
            torch.cat(column) for column in zip(*((one.values, one.scores) for one in looks), strict=True)
        )
        return Look(values, scores, raw, gradient)

    def look(self, variables: Tensor, rows: list[int]) -> Look:
        """As Hill."""
        looks = []
        with torch.no_grad(), FixedNorm():
            for start, most in self._shares(variables):
                values, scores = self._height(variables[start : start + most], rows[start : start + most])
                looks.append((values, scores))
        values, scores = (torch.cat(column) for column in zip(*looks, strict=True))
        return Look(values, scores)

    def _shares(self, variables: Tensor) -> Iterator[tuple[int, int]]:
        """Every part sees the same transforms."""
        most = MOST.get(variables.device.type, MOST["cuda"])
        for start in range(0, len(variables), most):
            self._generator.set_state(self.drawn)
            yield start, most

    def _climb(self, variables: Tensor, start: int) -> Look:
        rows = list(range(start, start + len(variables)))
        redirected = ReluRule(redirected_rule, needed=False) if self._step < self._parts.redirected else nullcontext()
        with torch.enable_grad(), FixedNorm(), redirected:
            leaf = variables.detach().requires_grad_()
            values, scores = self._height(leaf, rows)
            (gradient,) = torch.autograd.grad(values.sum(), leaf)
        return Look(values.detach(), scores.detach(), gradient)

    def _height(self, variables: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What is ascended, and the scores, each [n]."""
        parts = self._parts
        images = parts.parameterization.images(variables)
        seen = images
        for transform in parts.transforms:
            seen = transform(seen, self._generator)
        scores = parts.objective(seen, rows)
        values = scores
        if parts.regularizers:
            levels = parts.levels(images)
            for regularizer in parts.regularizers:
                values = values - regularizer(levels, rows)
        return values, scores


def _evenly(links: Sequence[Image.Image]) -> list[Image.Image]:
    count = min(MOST_SHOWN, len(links))
    return [links[round(place * (len(links) - 1) / max(1, count - 1))] for place in range(count)]


def _joined(tensors: list[Tensor | None]) -> Tensor | None:
    """The only one as it is: cat would lose its memory format."""
    return tensors[0] if len(tensors) == 1 else torch.cat([tensor for tensor in tensors if tensor is not None])


def _laid_out(variables: Tensor) -> Tensor:
    """Pictures in channels last; anything else row by row."""
    return variables.contiguous(memory_format=torch.channels_last if variables.ndim == 4 else torch.contiguous_format)
