"""The picture of a class or a unit that a learned prior makes, and the way there: DGN-AM and PPGN, see
code_recipes.py."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.errors import InvalidInput
from convscope.engine.generation.codes import CodeReader
from convscope.engine.generation.prior import Prior
from convscope.engine.imaging.contact_sheet import Tile, contact_sheet
from convscope.engine.models.model import Model
from convscope.engine.synthesis.channel_visualization import ChannelVisualization, own_unit, plain_unit
from convscope.engine.synthesis.class_visualization import ClassVisualization, class_index
from convscope.engine.synthesis.code_parameters import CodeParameters
from convscope.engine.synthesis.filters.gradient_filter import GradientFilter
from convscope.engine.synthesis.filters.mean_magnitude import MeanMagnitude
from convscope.engine.synthesis.filters.unit_norm import UnitNorm
from convscope.engine.synthesis.grey_levels import GreyLevels
from convscope.engine.synthesis.identity import identity
from convscope.engine.synthesis.objectives.class_output import ClassOutput
from convscope.engine.synthesis.objectives.objective import Objective
from convscope.engine.synthesis.objectives.unit_output import UnitOutput
from convscope.engine.synthesis.optimizers.code_walk import CodeWalk
from convscope.engine.synthesis.parameterizations.code import Code
from convscope.engine.synthesis.state import State
from convscope.engine.synthesis.synthesis import MOST, Parts, Synthesis

MOST_SHOWN = 16
"""Pictures of a chain on its sheet, evenly from the first to the last."""


class Chained(Synthesis):
    """A walk over codes that keeps its way."""

    def chain(self) -> list[list[Image.Image]]:
        """Of each picture those on the way to it, the first one first; the last may be the picture itself."""
        walk = self._parts.optimizer
        assert isinstance(walk, CodeWalk)
        links = [self._link(codes) for codes in walk.chain]
        return [list(one) for one in zip(*links, strict=True)] or [[] for _ in self._variables]

    def _link(self, codes: Tensor) -> list[Image.Image]:
        row = torch.full((1 + len(codes),), torch.nan)
        return State(0, self.total, codes, row, self._parts.parameterization.shown).pictures()

    def extra_pictures(self) -> dict[str, Image.Image]:
        """As Synthesis: where anything was kept, the chain, a row for each picture."""
        rows = [[Tile(picture) for picture in _evenly(links)] for links in self.chain()]
        if not rows[0]:
            return {}
        return {"chain.png": contact_sheet(rows, cell=rows[0][0].picture.size)}


class ClassFromCode(Chained, ClassVisualization):
    """Pictures of classes."""


class UnitFromCode(Chained, ChannelVisualization):
    """Pictures of units."""


def class_from_code(
    model: Model, prior: Prior, targets: Sequence[int], parameters: CodeParameters, checkpoint: bytes | None = None
) -> ClassFromCode:
    """Move codes until the network says a class of the pictures that the prior makes of them.

    prior: of this very network, on its device. targets, checkpoint: as class_visualization().

    Raises InvalidInput (field `targets`) for a class that is not there, or none; PriorMismatch; CheckpointInvalid.
    """
    classes = [class_index(model, target) for target in targets]
    if not classes:
        raise InvalidInput("at least one class is needed", field="targets")
    each = [one for one in classes for _ in range(parameters.copies)]
    made = _assemble(model, prior, parameters, ClassOutput(model, each, parameters.output), len(each))
    made_of = identity("class_from_code", model, parameters, targets=classes, prior=prior.digest)
    return ClassFromCode(
        model, each, made.parts, made.variables, parameters.steps, made.generator, identity=made_of,
        checkpoint=checkpoint,
    )  # fmt: skip


def unit_from_code(
    model: Model, prior: Prior, units: Sequence[UnitTarget], parameters: CodeParameters, checkpoint: bytes | None = None
) -> UnitFromCode:
    """Move codes until a unit answers to the pictures that the prior makes of them.

    prior: of this very network, on its device. units, checkpoint: as channel_visualization().

    Raises UnknownName, InvalidInput (fields `units[N].layer` and so on), InvalidInput (field `units`) for none;
    PriorMismatch; CheckpointInvalid.
    """
    if not units:
        raise InvalidInput("at least one unit is needed", field="units")
    own = [own_unit(model, unit, f"units[{place}]") for place, unit in enumerate(units)]
    each = [unit for unit in own for _ in range(parameters.copies)]
    made = _assemble(model, prior, parameters, UnitOutput(model, each), len(each))
    plain = [plain_unit(unit) for unit in own]
    made_of = identity("unit_from_code", model, parameters, units=plain, prior=prior.digest)
    return UnitFromCode(
        each, made.parts, made.variables, parameters.steps, made.generator, identity=made_of, checkpoint=checkpoint
    )


@dataclass(frozen=True)
class _Assembly:
    """As Assembly, for codes."""

    parts: Parts
    variables: Tensor
    generator: torch.Generator


def _assemble(model: Model, prior: Prior, parameters: CodeParameters, objective: Objective, count: int) -> _Assembly:
    """count: of the pictures."""
    reader = prior.check(model)
    levels = GreyLevels(model.preprocessing, model.device)
    generator = torch.Generator().manual_seed(parameters.seed)
    code = Code(
        levels, prior, count, copies=parameters.copies, noise=parameters.noise, bounded=parameters.bounded
    )  # fmt: skip
    variables = code.start(generator)
    walk = CodeWalk(
        _denoiser(prior, reader, parameters),
        _step_size(parameters),
        _keeping(prior, parameters),
        denoising=parameters.denoising,
        noise=parameters.wandering,
        every=parameters.chain_every,
        variables=variables,
        copies=parameters.copies,
    )
    return _Assembly(Parts(code, objective, walk, filters=tuple(_filters(parameters))), variables, generator)


def _denoiser(prior: Prior, reader: CodeReader, parameters: CodeParameters) -> Callable[[Tensor], Tensor]:
    """R."""

    def autoencoder(codes: Tensor) -> Tensor:
        clean: Tensor = prior.denoiser(codes)
        return clean

    def joint(codes: Tensor) -> Tensor:
        return prior.range.standardized(reader(prior.pictures(codes)))

    denoised = joint if parameters.denoiser == "joint" else autoencoder

    @torch.no_grad()
    def in_parts(codes: Tensor) -> Tensor:
        most = MOST.get(codes.device.type, MOST["cuda"])
        return torch.cat([denoised(part) for part in torch.split(codes, most)])

    return in_parts


def _step_size(parameters: CodeParameters) -> Callable[[int], float]:
    first, last = parameters.step_size, parameters.final_step_size

    def step_size(step: int) -> float:
        along = step / max(1, parameters.steps - 1)
        return first if last is None else first + (last - first) * along

    return step_size


def _keeping(prior: Prior, parameters: CodeParameters) -> Callable[[Tensor], Tensor]:
    """What is done to codes behind a step."""
    lowest, highest = prior.range.bounds

    def kept(codes: Tensor) -> Tensor:
        decayed = codes * (1 - parameters.decay)
        return decayed.clamp(lowest, highest) if parameters.bounded else decayed

    return kept


def _filters(parameters: CodeParameters) -> Iterator[GradientFilter]:
    if parameters.normalization == "norm":
        yield UnitNorm()
    elif parameters.normalization == "mean_abs":
        yield MeanMagnitude()


def _evenly(links: Sequence[Image.Image]) -> list[Image.Image]:
    count = min(MOST_SHOWN, len(links))
    return [links[round(place * (len(links) - 1) / max(1, count - 1))] for place in range(count)]
