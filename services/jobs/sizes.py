"""How many pictures a synthesis makes, and how large they get."""

from convscope.engine.errors import InvalidInput
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.model_service_pb2 import ModelCard


def check_pictures(parameters: SynthesisParameters, count: int, card: ModelCard | None, limits: JobsSettings) -> None:
    """count: of the targets. Raises InvalidInput for more pictures than a job may have, and for one that a stage makes
    larger than one that is sent may be."""
    if count * parameters.copies > limits.max_targets:
        message = f"{parameters.copies} copies for each of {count}; at most {limits.max_targets} pictures are made"
        raise InvalidInput(message, field="parameters.copies", reason="OUT_OF_RANGE")
    sides = _sides(parameters, card)
    if sides is None:
        return
    scale = max(stage.scale for stage in parameters.schedule())
    height, width = (round(side * scale) for side in sides)
    if height * width > limits.max_image_pixels:
        message = f"a picture of {width} x {height} pixels; at most {limits.max_image_pixels} are accepted"
        path = "stages" if parameters.size is None else "size"
        raise InvalidInput(message, field=f"parameters.{path}", reason="OUT_OF_RANGE")


def start_size(parameters: SynthesisParameters, card: ModelCard | None) -> tuple[int, int] | None:
    """Height and width of the picture that a synthesis starts with; None where only the worker knows."""
    sides = _sides(parameters, card)
    return None if sides is None else parameters.start_size(*sides)


def _sides(parameters: SynthesisParameters, card: ModelCard | None) -> tuple[int, int] | None:
    if parameters.size is not None:
        return parameters.size, parameters.size
    return None if card is None else (card.preprocessing.height, card.preprocessing.width)
