"""The loop: objective, parameterization, regularizers, transforms, filters and optimizer, step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine.attribution.fixed_norm import FixedNorm
from convscope.engine.synthesis.checkpoint import Checkpoint
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.gradient_filter import GradientFilter
from convscope.engine.synthesis.history import History
from convscope.engine.synthesis.objective import Objective
from convscope.engine.synthesis.optimizer import Optimizer
from convscope.engine.synthesis.parameterization import Parameterization
from convscope.engine.synthesis.regularizer import Regularizer
from convscope.engine.synthesis.state import Progress, State
from convscope.engine.synthesis.transform import Transform

# Pictures whose graph is held at once. Not by the free memory: other batches round otherwise, and a run that goes on
# from a checkpoint is to give what an undisturbed one gives.
MOST = {"cpu": 8, "cuda": 64}


@dataclass(frozen=True)
class Recipe:
    """What a synthesis is made of.

    variables ── parameterization ── images ─┬─ transforms ── objective ──┐
        │                                    └─ regularizers ─────────── (-) ── gradient ── filters ── optimizer
        └───────────────────────────────────────────────────────────────────────────────────────────── (+)
    """

    parameterization: Parameterization
    objective: Objective
    optimizer: Optimizer
    transforms: tuple[Transform, ...] = ()
    regularizers: tuple[Regularizer, ...] = ()
    filters: tuple[GradientFilter, ...] = ()


class Synthesis:
    """A run of a recipe: advance() takes a step, and `for state in synthesis` takes all that are left.

    Steps copy nothing to the host. One thread at a time; the network is as before after each step.
    """

    def __init__(
        self,
        recipe: Recipe,
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
        self.step = 0
        """Steps done."""
        self._recipe = recipe
        self._variables = variables.detach()
        self._generator = generator
        self._identity = identity
        self._history = History(len(variables), variables.device)
        if checkpoint is not None:
            self._restore(Checkpoint.from_bytes(checkpoint, identity))

    def advance(self) -> None:
        """Take one step. ValueError where all are done."""
        if self.step >= self.total:
            raise ValueError(f"all {self.total} steps are done")
        recipe = self._recipe
        variables = recipe.parameterization.before(self.step, self._variables)
        gradient, values, scores = self._gradient(variables)
        for gradient_filter in recipe.filters:
            gradient = gradient_filter(gradient)
        self._variables = recipe.optimizer.step(variables, gradient)
        self._history.add(-values.mean(), scores)
        self.step += 1

    def __iter__(self) -> Iterator[State]:
        """Take all steps that are left; the state after each."""
        while self.step < self.total:
            self.advance()
            yield self.state()

    def state(self) -> State:
        """What can be seen now, which stays as it is when more steps are taken."""
        rows = self._history.rows()
        row = rows[-1] if len(rows) else torch.full((1 + len(self._variables),), torch.nan)
        return State(self.step, self.total, self._variables, row, self._recipe.parameterization.shown)

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
            "history": self._history.rows(),
        }
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self._recipe.optimizer.state().items()}
        return Checkpoint(self._identity, self.step, tensors).to_bytes()

    def _gradient(self, variables: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient, what is ascended, and the scores, each [N, ...]. After an error the step can be taken again."""
        most = MOST.get(variables.device.type, MOST["cuda"])
        drawn = self._generator.get_state()
        parts = []
        try:
            for start in range(0, len(variables), most):
                # Every part sees the same transforms.
                self._generator.set_state(drawn)
                parts.append(self._ascend(variables, slice(start, start + most)))
        except BaseException:
            self._generator.set_state(drawn)
            raise
        gradient, values, scores = (torch.cat(column) for column in zip(*parts, strict=True))
        return gradient, values, scores

    def _ascend(self, variables: Tensor, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """_gradient() of some of the pictures."""
        recipe = self._recipe
        with torch.enable_grad(), FixedNorm():
            leaf = variables[rows].detach().requires_grad_()
            images = recipe.parameterization.images(leaf)
            penalties = [regularizer(images) for regularizer in recipe.regularizers]
            seen = images
            for transform in recipe.transforms:
                seen = transform(seen, self._generator)
            rise = recipe.objective(seen, rows)
            outputs = [rise.output, *penalties]
            starts = [rise.gradient, *(-torch.ones_like(penalty) for penalty in penalties)]
            (gradient,) = torch.autograd.grad(outputs, [leaf], starts)
        values = rise.scores
        for penalty in penalties:
            values = values - penalty.detach()
        return gradient, values, rise.scores

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointInvalid where a digest fits but not what it is of."""
        try:
            variables, rows = checkpoint.tensors["variables"], checkpoint.tensors["history"]
            expected = self._recipe.parameterization.shape(checkpoint.step)
            fits = (
                0 <= checkpoint.step <= self.total
                and (variables.shape, variables.dtype) == (expected, self._variables.dtype)
                and rows.shape == (checkpoint.step, 1 + len(variables))
            )
            if not fits:
                raise ValueError(f"step {checkpoint.step} with pictures of {tuple(variables.shape)}")
            self._generator.set_state(checkpoint.tensors["generator"])
            self._recipe.optimizer.restore(
                {
                    name.removeprefix("optimizer."): tensor
                    for name, tensor in checkpoint.tensors.items()
                    if name.startswith("optimizer.")
                }
            )
        except (KeyError, ValueError, RuntimeError, TypeError, IndexError) as error:
            raise CheckpointInvalid(f"the checkpoint does not fit: {error}") from error
        device = self._variables.device
        self._variables = variables.to(device).contiguous(memory_format=torch.channels_last)
        self._history = History(len(variables), device, rows)
        self.step = checkpoint.step
