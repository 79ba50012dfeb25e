"""What SmoothGrad and VarGrad share: a gradient method on noisy copies of a picture."""

from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.explain import explain
from convscope.engine.attribution.inner_batches import in_inner_batches
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.parameters import MethodParameters, Seed
from convscope.engine.attribution.pass_methods import PASS_METHODS
from convscope.engine.models.layers import LayerMap
from convscope.engine.parameters import shown

GRADIENT_METHODS = tuple(name for name, method in PASS_METHODS.items() if method.is_gradient)


class NoiseParameters(MethodParameters):
    """Parameters of a method that looks at noisy copies of a picture."""

    base_method: str = "gradient"
    """The gradient method that explains each copy, with its own defaults."""
    layer: str | None = None
    """The layer that it looks at, where it looks at one."""
    samples: int = Field(default=50, ge=1, le=10_000)
    """Noisy copies."""
    stdev: float = Field(default=0.15, gt=0, le=10)
    """Standard deviation of the noise, as a share of the range of the picture's own values."""
    seed: Seed = 0
    """Of the noise."""

    @field_validator("base_method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in GRADIENT_METHODS:
            _refuse(f"{shown(method)} is no gradient method; known: {', '.join(GRADIENT_METHODS)}")
        return method

    @field_validator("layer")
    @classmethod
    def _looked_at(cls, layer: str | None, info: ValidationInfo) -> str | None:
        method = info.data.get("base_method")
        looking = [name for name in GRADIENT_METHODS if PASS_METHODS[name].looks_at_layer]
        if layer is not None and method is not None and method not in looking:
            _refuse(f"{method!r} looks at no layer; those that do: {', '.join(looking)}")
        return layer

    def looks_at(self, layers: LayerMap) -> str:
        return self.of().looks_at(layers)

    def of(self) -> MethodParameters:
        """The parameters of the method that explains each copy."""
        values = {} if self.layer is None else {"layer": self.layer}
        return PASS_METHODS[self.base_method].parameters.parse(values)


@dataclass(frozen=True)
class Moments:
    """What a method says of noisy copies of each picture of a batch."""

    mean: Tensor
    variance: Tensor
    clean: Attribution
    """Of the pictures without noise; its values are the method's own."""


def moments_over_noise(batch: Batch, parameters: NoiseParameters) -> Moments:
    """Mean and variance over `samples` noisy copies, with the target that the clean picture has.

    The noise of a sample depends on the seed and its number only, so that a picture gets the same alone and in company.
    """
    method, of, count = PASS_METHODS[parameters.base_method], parameters.of(), len(batch)
    clean = explain(batch, method, of)
    batch = batch.with_targets(clean.targets)
    spread = parameters.stdev * (batch.images.amax(dim=(1, 2, 3)) - batch.images.amin(dim=(1, 2, 3)))
    total, squares = (torch.zeros_like(clean.values, dtype=torch.float64) for _ in range(2))

    def add(rows: range) -> None:
        noise = torch.stack([_noise(parameters.seed, row // count, batch.images[0]) for row in rows])
        at = [row % count for row in rows]
        copies = batch.take(at)
        noisy = replace(copies, images=copies.images + spread[at].view(-1, 1, 1, 1) * noise.to(spread))
        values = explain(noisy, method, of).values.double()
        index, square = torch.tensor(at, device=values.device), values.square()
        total.index_add_(0, index, values)
        squares.index_add_(0, index, square)

    in_inner_batches(batch, parameters.samples * count, add, gradients=True)
    mean = total / parameters.samples
    variance = (squares / parameters.samples - mean.square()).clamp(min=0)
    dtype = torch.promote_types(clean.values.dtype, torch.float32)
    return Moments(mean.to(dtype), variance.to(dtype), clean)


def _noise(seed: int, sample: int, like: Tensor) -> Tensor:
    """Standard normal noise in the shape of one picture."""
    # Torch's generators look at 32 bits of a seed only.
    return torch.from_numpy(np.random.default_rng((seed, sample)).standard_normal(like.shape, dtype=np.float32))


def _refuse(message: str) -> NoReturn:
    raise PydanticCustomError("method", "{message}", {"message": message})
