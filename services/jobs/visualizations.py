"""What VisualizeClass and VisualizeChannel ask for, checked before anything is queued."""

from typing import Any

from convscope.engine.errors import InvalidInput
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.recipes import DEFAULT_RECIPE, RECIPES
from convscope.services.common.jobs.kinds import VISUALIZE_CHANNEL, VISUALIZE_CLASS
from convscope.services.common.originals import read_original
from convscope.services.jobs.classes import check_class, check_classifies
from convscope.services.jobs.files import IMAGE, to_png
from convscope.services.jobs.layers import check_unit
from convscope.services.jobs.orders import Order, check_count, make_order
from convscope.services.jobs.recipes import check_parameters
from convscope.services.jobs.settings import JobsSettings
from convscope.services.jobs.sizes import check_pictures, start_size
from convscope.services.jobs.sources import NONE, Sources
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import VisualizeChannelRequest, VisualizeClassRequest


def check_visualize_class(
    request: VisualizeClassRequest,
    card: ModelCard | None,
    limits: JobsSettings,
    sources: Sources = NONE,
) -> Order:
    """Raises InvalidInput and its kin, each naming the field. card: None where nobody has loaded the model yet; the
    worker then checks what only the model knows. sources: what the request names, found."""
    check_classifies(request.model, card)
    check_count(len(request.targets), "classes", limits, field="targets")
    targets = [check_class(one, card, field=f"targets[{place}]") for place, one in enumerate(request.targets)]
    spec = {"targets": targets, **sources.check(request, card)}
    return _order(VISUALIZE_CLASS, request, spec, count=len(targets), card=card, limits=limits)


def check_visualize_channel(
    request: VisualizeChannelRequest,
    card: ModelCard | None,
    limits: JobsSettings,
    sources: Sources = NONE,
) -> Order:
    """As check_visualize_class()."""
    check_count(len(request.units), "units", limits, field="units")
    units = [check_unit(one, card, field=f"units[{place}]") for place, one in enumerate(request.units)]
    spec = {"units": units, **sources.check(request, card, [unit["layer"] for unit in units])}
    return _order(VISUALIZE_CHANNEL, request, spec, count=len(units), card=card, limits=limits)


def _order(
    kind: str,
    request: VisualizeClassRequest | VisualizeChannelRequest,
    spec: dict[str, Any],
    *,
    count: int,
    card: ModelCard | None,
    limits: JobsSettings,
) -> Order:
    """count: of the targets or units."""
    recipe = request.recipe or DEFAULT_RECIPE
    parameters = check_parameters(recipe, request.parameters, RECIPES, limits)
    check_pictures(parameters, count, card, limits)
    parameters.check_prior(given=bool(request.prior))
    if request.examples.start and (request.HasField("image") or parameters.parameterization == "cppn"):
        message = "a synthesis starts from one picture, and from none where it is made of a cppn's weights"
        raise InvalidInput(message, field="examples.start", reason="CONTRADICTION")
    inputs = {IMAGE: _start(request, parameters, card, limits)} if request.HasField("image") else {}
    whole = {**spec, "recipe": recipe, "parameters": parameters.model_dump(mode="json")}
    return make_order(kind, request.model, request.options, whole, inputs)


def _start(
    request: VisualizeClassRequest | VisualizeChannelRequest,
    parameters: SynthesisParameters,
    card: ModelCard | None,
    limits: JobsSettings,
) -> bytes:
    """The picture that is started from. Raises InvalidInput (field `image`) where no synthesis can start from it."""
    if parameters.parameterization == "cppn":
        message = "a cppn starts from weights, not from a picture; send none, or take another parameterization"
        raise InvalidInput(message, field="image", reason="CONTRADICTION")
    picture = read_original(request.image, max_pixels=limits.max_image_pixels)
    size = start_size(parameters, card)
    if size is not None and picture.size != size[::-1]:
        message = f"the synthesis starts with {size[1]} x {size[0]} pixels; the picture has {picture.width} x "
        raise InvalidInput(f"{message}{picture.height}", field="image", reason="IMAGE_SIZE")
    return to_png(picture)
