"""The picture that a channel or a neuron answers most to. Erhan et al. 2009; Olah et al. 2017, and what lies between:
see recipes.py."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.errors import ConvscopeError, InvalidInput
from convscope.engine.generation.prior import Prior
from convscope.engine.models.model import Model
from convscope.engine.synthesis.assembly import Start, assemble, start_digest
from convscope.engine.synthesis.diverse import diverse
from convscope.engine.synthesis.identity import identity
from convscope.engine.synthesis.objectives.unit_output import UnitOutput
from convscope.engine.synthesis.own_layer import own_layer
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.synthesis import Synthesis


class ChannelVisualization(Synthesis):
    """Pictures of units."""

    def __init__(self, units: Sequence[UnitTarget], *arguments: Any, **options: Any) -> None:
        """units: of each picture, with the network's own names."""
        super().__init__(*arguments, **options)
        self._units = units

    def results(self) -> list[dict[str, Any]]:
        """As Synthesis, with the `unit`: its own `layer`, `channel` and, of a neuron, `row` and `column`."""
        return [{**known, "unit": plain_unit(unit)} for known, unit in zip(super().results(), self._units, strict=True)]


def channel_visualization(
    model: Model,
    units: Sequence[UnitTarget],
    parameters: SynthesisParameters,
    start: Start = None,
    checkpoint: bytes | None = None,
    *,
    prior: Prior | None = None,
) -> ChannelVisualization:
    """Ascend the mean of a channel over its places, or its value at one.

    units: `copies` pictures are made for each, all in one batch; layers under the network's own names, or a paper's,
    see own_layer(). start, checkpoint, prior: as class_visualization().

    Raises UnknownName, InvalidInput (fields `units[N].layer` and so on), InvalidInput (field `units`) for none; as
    assemble(); CheckpointInvalid.
    """
    if not units:
        raise InvalidInput("at least one unit is needed", field="units")
    own = [own_unit(model, unit, f"units[{place}]") for place, unit in enumerate(units)]
    each = [unit for unit in own for _ in range(parameters.copies)]
    objective = diverse(UnitOutput(model, each), model, parameters)
    made = assemble(model, parameters, objective, len(own), start=start, prior=prior)
    plain = [plain_unit(unit) for unit in own]
    sources = {"start": start_digest(start), "prior": prior and prior.digest}
    made_of = identity("channel_visualization", model, parameters, units=plain, **sources)
    return ChannelVisualization(
        each, made.parts, made.variables, parameters.steps, made.generator, identity=made_of, checkpoint=checkpoint
    )


def own_unit(model: Model, unit: UnitTarget, field: str) -> UnitTarget:
    """The same with the network's own name of its layer, see own_layer(), checked. Raises UnknownName and InvalidInput
    (fields under `field`)."""
    try:
        own = replace(unit, layer=own_layer(model, unit.layer))
        own.check(model.layers)
    except ConvscopeError as error:
        error.field = f"{field}.{error.field}"
        raise
    return own


def plain_unit(unit: UnitTarget) -> dict[str, Any]:
    """Plain JSON: `layer`, `channel` and, of a neuron, `row` and `column`."""
    place = {} if unit.place is None else {"row": unit.place[0], "column": unit.place[1]}
    return {"layer": unit.layer, "channel": unit.channel, **place}
