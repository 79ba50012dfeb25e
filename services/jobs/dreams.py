"""What DeepDream asks for, checked before anything is queued."""

from convscope.engine.synthesis.parameters import DeepDreamParameters
from convscope.services.common.jobs.kinds import DEEP_DREAM
from convscope.services.jobs.files import GUIDE, IMAGE, picture_file
from convscope.services.jobs.layers import check_layer
from convscope.services.jobs.orders import Order, check_steps, given, make_order
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import DeepDreamRequest


def check_deep_dream(request: DeepDreamRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
    """As check_visualize_class()."""
    values = given(request, DeepDreamParameters.model_fields)
    if request.layer:
        values["layer"] = request.layer
    if request.channels:
        values["channels"] = tuple(request.channels)
    parameters = DeepDreamParameters.parse(values)
    check_steps(parameters.steps * parameters.octaves, limits, field="steps")
    if request.layer:
        check_layer(request.layer, card, field="layer")
    inputs = {IMAGE: picture_file(request.image, limits)}
    if request.HasField("guide"):
        inputs[GUIDE] = picture_file(request.guide, limits, field="guide")
    spec = {"parameters": parameters.model_dump(mode="json")}
    return make_order(DEEP_DREAM, request.model, request.options, spec, inputs)
