"""What the kinds of work are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.deep_dream import deep_dream
from convscope.engine.synthesis.parameters import ClassVisualizationParameters, DeepDreamParameters
from convscope.engine.synthesis.synthesis import Synthesis
from convscope.services.common.jobs.kinds import DEEP_DREAM, VISUALIZE_CLASS

Inputs = Callable[[str], bytes]
"""The file of that name that came with the job. Raises OSError."""


@dataclass(frozen=True)
class Work:
    """Work that has begun, or been taken up, and how to describe what it makes."""

    synthesis: Synthesis
    images: Sequence[Mapping[str, Any]]
    """What is known of each picture: of a class, `target` and `label`."""
    layer: str = ""


def _visualize_class(model: Model, spec: Mapping[str, Any], inputs: Inputs, checkpoint: bytes | None) -> Work:
    targets = [_class(model, target, f"targets[{place}]") for place, target in enumerate(spec["targets"])]
    parameters = ClassVisualizationParameters.parse(spec["parameters"])
    images = [{"target": target, "label": model.labels[target]} for target in targets]
    return Work(class_visualization(model, targets, parameters, checkpoint), images)


def _class(model: Model, target: int | str, field: str) -> int:
    """The jobs server has no card of a model that nobody had loaded before; then this is the first to check."""
    if isinstance(target, str):
        return model.labels.index_of(target, field=field)
    return model.labels.check_index(target, field=field)


def _deep_dream(model: Model, spec: Mapping[str, Any], inputs: Inputs, checkpoint: bytes | None) -> Work:
    given = {**spec["parameters"], "channels": tuple(spec["parameters"]["channels"])}
    parameters = DeepDreamParameters.parse(given)
    guide = _picture(inputs("guide.png")) if "guide.png" in spec["inputs"] else None
    synthesis = deep_dream(model, _picture(inputs("image.png")), parameters, guide, checkpoint)
    return Work(synthesis, [{}], synthesis.layer)


def _picture(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data), formats=["PNG"])
    picture.load()
    return picture


Begin = Callable[[Model, Mapping[str, Any], Inputs, bytes | None], Work]
WORK: Mapping[str, Begin] = {VISUALIZE_CLASS: _visualize_class, DEEP_DREAM: _deep_dream}
