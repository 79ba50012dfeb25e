"""What CreateAdversarial asks for, checked before anything is queued."""

from convscope.engine.errors import InvalidInput
from convscope.engine.synthesis.parameters import AdversarialParameters
from convscope.services.common.jobs.kinds import CREATE_ADVERSARIAL
from convscope.services.jobs.classes import check_class, check_classifies
from convscope.services.jobs.files import IMAGE, picture_file
from convscope.services.jobs.orders import Order, check_steps, given, make_order
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import CreateAdversarialRequest


def check_create_adversarial(request: CreateAdversarialRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
    """As check_visualize_class()."""
    check_classifies(request.model, card)
    pictured, targeted = request.HasField("image"), request.HasField("target")
    values = {"attack": "pgd" if pictured else "ascent", **given(request, AdversarialParameters.model_fields)}
    parameters = AdversarialParameters.parse(values)
    check_steps(parameters.steps, limits, field="steps")
    if not pictured and parameters.attack != "ascent":
        message = f"{parameters.attack} changes a picture; without one the attack is ascent"
        raise InvalidInput(message, field="attack", reason="CONTRADICTION")
    if targeted and parameters.attack == "deepfool":
        message = "deepfool takes no target: it goes to the nearest border, whatever class lies behind it"
        raise InvalidInput(message, field="target", reason="CONTRADICTION")
    if not (pictured or targeted):
        message = "a target is required without an image: noise has no answer to change"
        raise InvalidInput(message, field="target", reason="TARGET_MISSING")
    spec = {
        "target": check_class(request.target, card, field="target") if targeted else None,
        "parameters": parameters.model_dump(mode="json"),
    }
    inputs = {IMAGE: picture_file(request.image, limits)} if pictured else {}
    return make_order(CREATE_ADVERSARIAL, request.model, request.options, spec, inputs)
