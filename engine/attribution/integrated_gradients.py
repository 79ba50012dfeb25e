"""Integrated gradients: the score's rise from an empty picture to this one, shared out among the pixels."""

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.fill import FillParameters, empty_pictures
from convscope.engine.attribution.forward_pass import PIXELS, ForwardPass
from convscope.engine.attribution.inner_batches import in_inner_batches
from convscope.engine.attribution.method import Attribution


class IntegratedGradientsParameters(FillParameters):
    """Parameters of `integrated_gradients`; `fill` is the picture that the path begins at."""

    steps: int = Field(default=50, ge=1, le=10_000)
    """Points on the path, placed and weighted by Gauss-Legendre quadrature."""


def integrated_gradients(batch: Batch, parameters: IntegratedGradientsParameters) -> Attribution:
    """(x - x') integral_0^1 dS(x' + a (x - x')) / dx da, [N, 3, H, W].

    Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks", equation 1. Its sum is S(x) - S(x') but
    for the quadrature's error, which `convergence_error` has. Costs `steps` forward and backward passes.
    """
    steps, count = parameters.steps, len(batch)
    run = ForwardPass(batch.module, batch.images, batch.layers, observe=batch.observed)
    batch = batch.with_targets(batch.targets.resolve(run.scores))
    explained = run.values(batch.targets)
    start = empty_pictures(batch, parameters)
    way = batch.images - start
    mean_gradient = torch.zeros_like(way, dtype=torch.promote_types(way.dtype, torch.float32))
    places, shares = (torch.from_numpy(numbers).to(mean_gradient) for numbers in gauss_legendre(steps))

    def add(rows: range) -> None:
        of = torch.tensor([row % count for row in rows], device=way.device)
        step = torch.tensor([row // count for row in rows], device=way.device)
        points = (start[of] + places[step].view(-1, 1, 1, 1) * way[of]).to(way.dtype)
        targets = batch.targets.take(of.tolist())
        run = ForwardPass(batch.module, points, batch.layers, differentiate=[PIXELS], observe=batch.observed)
        mean_gradient.index_add_(0, of, run.gradient(targets, PIXELS) * shares[step].view(-1, 1, 1, 1))

    in_inner_batches(batch, steps * count, add, gradients=True)
    values = way * mean_gradient
    rise = explained.double() - batch.values(start, range(count)).double()
    error = (values.double().flatten(1).sum(dim=1) - rise).to(values.dtype)
    return Attribution(values, run.scores, batch.targets, explained, convergence_error=error)


def gauss_legendre(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places in 0..1, ascending, and weights of sum 1, by Newton's method on the Legendre polynomial of that degree.

    Numpy's leggauss() is as exact, but takes minutes and gigabytes for ten thousand.
    """
    x = -np.cos(np.pi * (np.arange(count) + 0.75) / (count + 0.5))
    slope = np.ones_like(x)
    for _ in range(5):
        lower, value = np.ones_like(x), x
        for degree in range(2, count + 1):
            lower, value = value, ((2 * degree - 1) * x * value - (degree - 1) * lower) / degree
        slope = count * (x * value - lower) / (x * x - 1)
        x = x - value / slope
    return (1 + x) / 2, 1 / ((1 - x * x) * slope * slope)
