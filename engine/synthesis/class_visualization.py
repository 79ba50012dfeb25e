"""The picture that a class scores highest. Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks",
section 2."""

from collections.abc import Iterator, Sequence
from operator import index

import torch

from convscope.engine.errors import InvalidInput
from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_score import ClassScore
from convscope.engine.synthesis.gradient_blur import GradientBlur
from convscope.engine.synthesis.gradient_filter import GradientFilter
from convscope.engine.synthesis.identity import identity
from convscope.engine.synthesis.input_pixels import InputPixels
from convscope.engine.synthesis.jitter import Jitter
from convscope.engine.synthesis.momentum import Momentum
from convscope.engine.synthesis.parameters import ClassVisualizationParameters
from convscope.engine.synthesis.squared_norm import SquaredNorm
from convscope.engine.synthesis.synthesis import Recipe, Synthesis
from convscope.engine.synthesis.unit_norm import UnitNorm


def class_visualization(
    model: Model, targets: Sequence[int], parameters: ClassVisualizationParameters, checkpoint: bytes | None = None
) -> Synthesis:
    """Ascend S_c(I) - l2 |I|^2 (equation 1), S_c the score of a class before the softmax, I the network's input.

    targets: classes; one picture is made for each, all in one batch, and each is what it would be alone. The pictures
    have the size of the model's input and start from zeros; the mean is added for display. checkpoint: to go on from.

    Raises InvalidInput (field `targets`) for a class that is not there, or none; CheckpointInvalid.
    """
    classes = [_class(model, target) for target in targets]
    if not classes:
        raise InvalidInput("at least one class is needed", field="targets")
    generator = torch.Generator().manual_seed(parameters.seed)
    pixels = InputPixels(model, len(classes), parameters.noise)
    start = pixels.start(generator)
    recipe = Recipe(
        pixels,
        ClassScore(model, classes),
        Momentum(parameters.step_size, parameters.momentum, start),
        transforms=(Jitter(parameters.jitter),) if parameters.jitter else (),
        regularizers=(SquaredNorm(parameters.l2),) if parameters.l2 else (),
        filters=tuple(_filters(parameters, model)),
    )
    made_of = identity("class_visualization", model, parameters, targets=classes)
    return Synthesis(recipe, start, parameters.steps, generator, identity=made_of, checkpoint=checkpoint)


def _filters(parameters: ClassVisualizationParameters, model: Model) -> Iterator[GradientFilter]:
    if parameters.blur:
        yield GradientBlur(parameters.blur, model.device)
    if parameters.normalized:
        yield UnitNorm()


def _class(model: Model, target: int) -> int:
    try:
        return model.labels.check_index(index(target), field="targets")
    except TypeError as error:
        raise InvalidInput(f"{target!r} is no class index", field="targets", reason="UNKNOWN_CLASS") from error
