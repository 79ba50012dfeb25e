"""The picture that the server benchmarks send, and the same work in process."""

from io import BytesIO
from pathlib import Path

import numpy as np
import skimage
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine import attribute
from convscope.engine.imaging.decode import decode
from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.models.model import Model
from convscope.v1.attribution_service_pb2 import AttributeRequest

MODEL = "efficientnet_lite0"


def photograph() -> bytes:
    """A real photograph as a JPEG of 512 x 512 pixels."""
    picture = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    file = BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def cat_input(model: Model) -> Tensor:
    """A photograph of a cat as a model takes it, [1, 3, H, W]."""
    picture = Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png").convert("RGB")
    pixels = model.preprocessing.crop(picture)[0].unsqueeze(0)
    return model.preprocessing.normalize(pixels.to(model.device))


def request(jpeg: bytes) -> AttributeRequest:
    """JPEG in, float32 heatmap out, by Grad-CAM."""
    message = AttributeRequest(model=f"models/{MODEL}", heatmap=True)
    message.image.encoded = jpeg
    message.method.grad_cam.SetInParent()
    return message


def in_process(model: Model, jpegs: list[bytes]) -> list[NDArray[np.float32]]:
    """The same work by the engine, as one batch."""
    preprocessing = model.preprocessing
    pixels = torch.stack([preprocessing.crop(decode(jpeg))[0] for jpeg in jpegs]).to(model.device)
    values = attribute(model.variant("float32"), preprocessing.normalize(pixels), None, "grad_cam").cpu().numpy()
    return [to_heatmap(one, preprocessing.height, preprocessing.width) for one in values]
