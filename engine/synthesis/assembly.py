"""The parts that a recipe's parameters ask for, whatever is ascended with them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.engine.errors import InvalidInput, InvalidParameter
from convscope.engine.generation.codes import CodeReader
from convscope.engine.generation.prior import Prior as LearnedPrior
from convscope.engine.imaging.decode import to_rgb
from convscope.engine.memory import out_of_memory
from convscope.engine.models.model import Model
from convscope.engine.synthesis.filters.gradient_blur import GradientBlur
from convscope.engine.synthesis.filters.gradient_filter import GradientFilter
from convscope.engine.synthesis.filters.laplacian_pyramid import LaplacianPyramid
from convscope.engine.synthesis.filters.mean_magnitude import MeanMagnitude
from convscope.engine.synthesis.filters.progress import Progress
from convscope.engine.synthesis.filters.unit_norm import UnitNorm
from convscope.engine.synthesis.grey_levels import GreyLevels
from convscope.engine.synthesis.identity import picture_digest
from convscope.engine.synthesis.objectives.objective import Objective
from convscope.engine.synthesis.optimizers.adam import Adam
from convscope.engine.synthesis.optimizers.evolution import Evolution
from convscope.engine.synthesis.optimizers.gradient_ascent import GradientAscent
from convscope.engine.synthesis.optimizers.langevin import Annealed, Langevin, Steady
from convscope.engine.synthesis.optimizers.lbfgs import Lbfgs
from convscope.engine.synthesis.optimizers.optimizer import Optimizer
from convscope.engine.synthesis.parameterizations.code import Code
from convscope.engine.synthesis.parameterizations.cppn import Cppn
from convscope.engine.synthesis.parameterizations.fourier import Fourier
from convscope.engine.synthesis.parameterizations.pixels import Pixels
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.priors.bilateral import Bilateral
from convscope.engine.synthesis.priors.blur import Blur
from convscope.engine.synthesis.priors.bounds import Bounds
from convscope.engine.synthesis.priors.decay import Decay
from convscope.engine.synthesis.priors.dropping import SmallContribution, SmallNorm
from convscope.engine.synthesis.priors.median import Median
from convscope.engine.synthesis.priors.prior import Prior
from convscope.engine.synthesis.priors.sphere import Sphere
from convscope.engine.synthesis.regularizers.alpha_norm import AlphaNorm
from convscope.engine.synthesis.regularizers.departure import Departure
from convscope.engine.synthesis.regularizers.regularizer import Regularizer
from convscope.engine.synthesis.regularizers.squared_norm import SquaredNorm
from convscope.engine.synthesis.regularizers.total_variation import TotalVariation
from convscope.engine.synthesis.stages import Stages
from convscope.engine.synthesis.synthesis import MOST, Parts
from convscope.engine.synthesis.transforms.jitter import Jitter
from convscope.engine.synthesis.transforms.transform import Transform
from convscope.engine.synthesis.transforms.wandering import Wandering
from convscope.engine.synthesis.transforms.window import Window

GREY = 127.5
Start = Image.Image | Sequence[Image.Image] | None
"""A picture to start from, or one for each target."""


@dataclass(frozen=True)
class Assembly:
    """All but the objective."""

    parts: Parts
    variables: Tensor
    """To start from."""
    generator: torch.Generator
    """As it is after the start was drawn."""


def assemble(
    model: Model,
    parameters: SynthesisParameters,
    objective: Objective,
    targets: int,
    *,
    start: Start = None,
    tv_factors: tuple[float, ...] = (1.0,),
    prior: LearnedPrior | None = None,
) -> Assembly:
    """targets: how many; `copies` pictures each. start: a picture to start from, or one for each target. tv_factors: of
    tv_weight, one for each picture or one for all. prior: of this very network, on its device; of codes alone.

    Raises InvalidInput (field `image`) for a start of another size, or one that is made of a cppn's weights; (field
    `prior`) where codes have none, or anything else has one; PriorMismatch; InvalidParameter for a size that the
    network does not take (field `stages`, `size` or `window`).
    """
    parameters.check_prior(given=prior is not None)
    reader = None if prior is None else prior.check(model)
    size = (model.preprocessing.height, model.preprocessing.width)
    generator = torch.Generator().manual_seed(parameters.seed)
    levels = GreyLevels(model.preprocessing, model.device)
    stages = Stages(parameters)
    base = size if parameters.size is None else (parameters.size, parameters.size)
    sizes = [(round(base[0] * stage.scale), round(base[1] * stage.scale)) for stage in stages.stages]
    _check_sizes(model, sizes, parameters)
    count, copies, noise = targets * parameters.copies, parameters.copies, parameters.noise
    pictures = None
    if start is not None:
        pictures = torch.cat([_start(one, parameters, levels, size) for one in starts(start)])
        pictures = pictures.repeat_interleave(count // len(pictures), dim=0)
    made: Pixels | Fourier | Cppn | Code
    denoised: Callable[[Tensor], Tensor] | None = None
    bounds = Bounds(-levels.mean, 255 - levels.mean)
    match parameters.parameterization:
        case "code":
            assert prior is not None
            assert reader is not None
            codes = None if pictures is None else _codes(pictures, prior, reader, levels)
            bounds = Bounds(*prior.range.bounds)
            kept = bounds if parameters.bounded else None
            joint = parameters.denoiser == "joint"
            made = Code(
                levels, prior, count, copies=copies, noise=noise, bounds=kept, start=codes,
                cleaned=parameters.optimizer == "langevin" and not joint,
            )  # fmt: skip
            denoised = _in_parts(_joint(prior, reader) if joint else made.denoised)
        case "fourier":
            made = Fourier(levels, base, count, copies=copies, noise=noise, start=pictures)
        case "cppn":
            made = Cppn(levels, base, count, copies=copies, noise=noise)
        case _:
            brightness = parameters.brightness
            made = Pixels(
                levels, stages, sizes, count, copies=copies, noise=noise, brightness=brightness, start=pictures
            )
    variables = made.start(generator)
    parts = Parts(
        made,
        objective,
        _optimizer(parameters, stages, made, variables, bounds=bounds, denoised=denoised),
        tuple(_transforms(parameters, size, levels)),
        tuple(_regularizers(parameters, tv_factors, levels.levels(made.images(variables)).detach())),
        tuple(_filters(parameters, model.device)),
        tuple(_priors(parameters, stages, bounds, model.device)),
        levels.levels,
        parameters.redirected_relu_steps,
    )
    return Assembly(parts, variables, generator)


def starts(start: Image.Image | Sequence[Image.Image]) -> list[Image.Image]:
    """One for all, or one for each target."""
    return [start] if isinstance(start, Image.Image) else list(start)


def start_digest(start: Start) -> str | list[str] | None:
    """What an identity says of it."""
    if start is None or isinstance(start, Image.Image):
        return None if start is None else picture_digest(start)
    return [picture_digest(one) for one in start]


def _start(picture: Image.Image, parameters: SynthesisParameters, levels: GreyLevels, size: tuple[int, int]) -> Tensor:
    if parameters.parameterization == "cppn":
        message = "a picture is not made of a cppn's weights; start from noise"
        raise InvalidInput(message, field="image", reason="CONTRADICTION")
    height, width = parameters.start_size(*size)
    if picture.size != (width, height):
        found, wanted = f"{picture.width} x {picture.height}", f"{width} x {height}"
        message = f"the picture to start from has {found} pixels; here a synthesis starts with {wanted}"
        raise InvalidInput(message, field="image", reason="IMAGE_SIZE")
    pixels = torch.from_numpy(np.array(to_rgb(picture))).permute(2, 0, 1).unsqueeze(0)
    return pixels.to(levels.mean) - levels.mean


@torch.no_grad()
def _codes(pictures: Tensor, prior: LearnedPrior, reader: CodeReader, levels: GreyLevels) -> Tensor:
    """Of pictures as _start() gives them."""
    return prior.range.standardized(reader((pictures + levels.mean) / 255))


def _check_sizes(model: Model, sizes: list[tuple[int, int]], parameters: SynthesisParameters) -> None:
    """Raise InvalidParameter for a size that the network cannot be run on."""
    own = (model.preprocessing.height, model.preprocessing.width)
    seen = {(min(size[0], own[0]), min(size[1], own[1])) for size in sizes} if parameters.window else {*sizes}
    for height, width in sorted(seen - {own}):
        try:
            with torch.no_grad():
                model.module(torch.zeros(1, 3, height, width, device=model.device))
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            field = "size" if parameters.size is not None else "stages"
            message = f"the model cannot be run on pictures of {width} x {height} pixels"
            raise InvalidParameter(message, field=field) from error


def _optimizer(
    parameters: SynthesisParameters,
    stages: Stages,
    made: Pixels | Fourier | Cppn | Code,
    variables: Tensor,
    *,
    bounds: Bounds,
    denoised: Callable[[Tensor], Tensor] | None,
) -> Optimizer:
    def bound(moved: Tensor) -> Tensor:
        return bounds(0, moved, None) if parameters.bounded else moved

    match parameters.optimizer:
        case "adam":
            return Adam(stages.step_size, variables)
        case "lbfgs":
            return Lbfgs(stages.step_size, variables, bound)
        case "evolution":
            return Evolution(made.mutated, stages.step_size, parameters.population, bound, parameters.copies)
        case "langevin":
            assert denoised is not None
            return Langevin(denoised, _paces(parameters, stages), bound, variables=variables, copies=parameters.copies)
        case _:
            return GradientAscent(stages.step_size, parameters.momentum, stages.begins)


def _paces(parameters: SynthesisParameters, stages: Stages) -> Steady | Annealed:
    if parameters.final_noise:
        levels = (parameters.noise, parameters.final_noise)
        power = 2 if parameters.normalization == "none" else 1
        return Annealed(*levels, parameters.cycles, parameters.steps, stages.step_size, power=power)
    return Steady(parameters.denoising, parameters.wandering, stages.step_size, parameters.chain_every)


def _joint(prior: LearnedPrior, reader: CodeReader) -> Callable[[Tensor], Tensor]:
    """PPGN's joint R: the code of the code's picture."""

    @torch.no_grad()
    def denoised(codes: Tensor) -> Tensor:
        return prior.range.standardized(reader(prior.pictures(codes)))

    return denoised


def _in_parts(denoised: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Of as many codes at once as a gradient is."""

    def whole(codes: Tensor) -> Tensor:
        most = MOST.get(codes.device.type, MOST["cuda"])
        return torch.cat([denoised(part) for part in torch.split(codes, most)])

    return whole


def _transforms(parameters: SynthesisParameters, size: tuple[int, int], levels: GreyLevels) -> Iterator[Transform]:
    if parameters.window:
        yield Window(*size)
    if parameters.pad or parameters.scaling or parameters.rotation or parameters.jitter_after:
        yield Wandering(
            levels.images(GREY - levels.mean),
            pad=parameters.pad,
            jitter=parameters.jitter,
            scaling=parameters.scaling,
            rotation=parameters.rotation,
            jitter_after=parameters.jitter_after,
        )
    elif parameters.jitter:
        yield Jitter(parameters.jitter)


def _regularizers(
    parameters: SynthesisParameters, tv_factors: tuple[float, ...], start: Tensor
) -> Iterator[Regularizer]:
    if parameters.l2:
        yield SquaredNorm(parameters.l2)
    if parameters.start_l2:
        yield Departure(parameters.start_l2, start)
    if parameters.alpha_weight:
        yield AlphaNorm(parameters.alpha_weight, parameters.alpha)
    if parameters.tv_weight:
        yield TotalVariation([parameters.tv_weight * factor for factor in tv_factors], parameters.tv_beta)


def _filters(parameters: SynthesisParameters, device: torch.device) -> Iterator[GradientFilter]:
    if parameters.gradient_blur:
        yield GradientBlur(parameters.gradient_blur, device)
    if parameters.laplacian_levels:
        yield LaplacianPyramid(parameters.laplacian_levels, device)
    if parameters.normalization == "norm":
        yield UnitNorm()
    elif parameters.normalization == "mean_abs":
        yield MeanMagnitude()
    elif parameters.normalization == "progress":
        yield Progress()


def _priors(parameters: SynthesisParameters, stages: Stages, bounds: Bounds, device: torch.device) -> Iterator[Prior]:
    if parameters.decay:
        yield Decay(parameters.decay)
    if parameters.blur:
        yield Blur(stages.blur, parameters.blur_every, device)
    if parameters.bilateral:
        yield Bilateral(parameters.bilateral, parameters.bilateral_color, parameters.bilateral_space, device)
    if parameters.median:
        yield Median(parameters.median)
    if parameters.drop_norm:
        yield SmallNorm(parameters.drop_norm)
    if parameters.drop_contribution:
        yield SmallContribution(parameters.drop_contribution)
    if parameters.fixed_norm:
        yield Sphere(parameters.fixed_norm)
    if parameters.bounded:
        yield bounds
