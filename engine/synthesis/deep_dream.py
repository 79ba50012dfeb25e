"""What a layer sees in a picture, exaggerated. Mordvintsev, Olah & Tyka 2015, "Inceptionism: Going Deeper into Neural
Networks", and the code published with it."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.decode import to_rgb
from convscope.engine.memory import out_of_memory
from convscope.engine.models.model import Model
from convscope.engine.synthesis.filters.mean_magnitude import MeanMagnitude
from convscope.engine.synthesis.identity import identity, picture_digest
from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.middle_layer import middle_layer
from convscope.engine.synthesis.objectives.guide_match import GuideMatch
from convscope.engine.synthesis.objectives.layer_energy import LayerEnergy
from convscope.engine.synthesis.objectives.objective import Objective
from convscope.engine.synthesis.optimizers.gradient_ascent import GradientAscent
from convscope.engine.synthesis.own_layer import own_layer
from convscope.engine.synthesis.parameterizations.octaves import Octaves, octave_sizes
from convscope.engine.synthesis.parameters import DeepDreamParameters
from convscope.engine.synthesis.priors.bounds import Bounds
from convscope.engine.synthesis.synthesis import Parts, Synthesis
from convscope.engine.synthesis.transforms.jitter import Jitter


class DeepDream(Synthesis):
    """A dream, which knows the layer that it is dreamt with."""

    def __init__(self, layer: str, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.layer = layer

    def outcome(self) -> dict[str, Any]:
        """As Synthesis, with the `layer`."""
        return {"layer": self.layer}


def deep_dream(
    model: Model,
    picture: Image.Image,
    parameters: DeepDreamParameters,
    guide: Image.Image | None = None,
    checkpoint: bytes | None = None,
) -> DeepDream:
    """Set the gradient of a layer to its activation and ascend, octave by octave.

    picture: upright, of any proportions; it is worked on as a whole. guide: a picture whose features are taken up
    instead of the picture's own. checkpoint: to go on from. The pictures shown have the whole picture's size at every
    octave. The network is run up to the layer only.

    Raises UnknownName, InvalidInput and MethodUnsupported for a layer (field `layer`) or channel (field `channels`)
    that is not there or cannot be used, InvalidInput for a picture (field `image`) or guide (field `guide`) that is
    too small for the layer; CheckpointInvalid.
    """
    given = parameters.layer
    name = middle_layer(model.module, model.layers) if given is None else own_layer(model, given)
    output = LayerOutput(model, model.layers.spatial(name), parameters.channels)
    picture = to_rgb(picture)
    guide = None if guide is None else to_rgb(guide)
    pixels = _pixels(picture, parameters.size).to(model.device)
    sizes = octave_sizes(pixels.shape[2], pixels.shape[3], parameters.octaves, parameters.octave_scale)
    _check_size(output, model, sizes[0], "image")
    octaves = Octaves(pixels, sizes, parameters.steps, model.preprocessing)
    objective: Objective
    if guide is None:
        objective = LayerEnergy(output)
    else:
        shown = _pixels(guide, parameters.size).to(model.device)
        _check_size(output, model, (shown.shape[2], shown.shape[3]), "guide")
        objective = GuideMatch(output, octaves.images(shown))
    generator = torch.Generator().manual_seed(parameters.seed)
    lowest, highest = (torch.tensor(level, device=model.device) for level in (0.0, 255.0))
    parts = Parts(
        octaves,
        objective,
        GradientAscent(lambda step: parameters.step_size),
        transforms=(Jitter(parameters.jitter),) if parameters.jitter else (),
        filters=(MeanMagnitude(),),
        priors=(Bounds(lowest, highest),),
    )
    made_of = identity(
        "deep_dream",
        model,
        parameters,
        layer=name,
        image=picture_digest(picture),
        guide=None if guide is None else picture_digest(guide),
    )
    total = parameters.steps * parameters.octaves
    start = octaves.start(generator)
    return DeepDream(name, parts, start, total, generator, identity=made_of, checkpoint=checkpoint)


def _pixels(picture: Image.Image, size: int) -> Tensor:
    """The grey levels of an RGB picture, [1, 3, H, W], the longer side at most `size`."""
    scale = size / max(picture.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).unsqueeze(0)
    return pixels.to(torch.get_default_dtype()).contiguous(memory_format=torch.channels_last)


def _check_size(output: LayerOutput, model: Model, size: tuple[int, int], field: str) -> None:
    """Raise InvalidInput for a picture so small that one place of the layer is more than all of it, or that the network
    cannot be run on it."""
    assert output.layer.grid is not None
    full = model.preprocessing.height, model.preprocessing.width
    fits = all(side * places >= whole for side, places, whole in zip(size, output.layer.grid, full, strict=True))
    if fits:
        try:
            with torch.no_grad():
                output(torch.zeros(1, 3, *size, device=model.device))
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            fits = False
    if not fits:
        smallest = "the smallest octave of the picture" if field == "image" else "the guide"
        hint = "; take fewer octaves or a larger picture" if field == "image" else ""
        message = f"{smallest}, {size[1]} x {size[0]} pixels, is too small for the layer {output.layer.name!r}{hint}"
        raise InvalidInput(message, field=field, reason="IMAGE_TOO_SMALL")
