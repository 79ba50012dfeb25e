"""An objective whose copies are to differ."""

from convscope.engine.errors import InvalidParameter
from convscope.engine.models.model import Model
from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.middle_layer import middle_layer
from convscope.engine.synthesis.objectives.combined import Sum
from convscope.engine.synthesis.objectives.diversity import Diversity
from convscope.engine.synthesis.objectives.objective import Objective
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.synthesis import MOST


def diverse(objective: Objective, model: Model, parameters: SynthesisParameters) -> Objective:
    """`objective` with the weight that the parameters give diversity in a middle layer. Raises InvalidParameter (field
    `copies`) where a target's copies do not fit into one pass."""
    if not parameters.diversity:
        return objective
    most = MOST.get(model.device.type, MOST["cuda"])
    if most % parameters.copies:
        message = f"with diversity, copies must divide {most}, the pictures of one pass, not be {parameters.copies}"
        raise InvalidParameter(message, field="copies")
    output = LayerOutput(model, middle_layer(model.module, model.layers), fixed=True)
    return Sum((1.0, objective), (parameters.diversity, Diversity(output, parameters.copies)))
