"""What a request holds that a worker needs, as the files that go along with the job."""

from io import BytesIO

import numpy as np
from PIL import Image as PillowImage

from convscope.engine.errors import InvalidInput
from convscope.services.common.originals import read_original
from convscope.services.common.tensors import to_array
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.image_pb2 import Image
from convscope.v1.model_service_pb2 import Layer
from convscope.v1.tensor_pb2 import DataType, Tensor

IMAGE, GUIDE, FEATURES = "image.png", "guide.png", "features.npy"


def picture_file(image: Image, limits: JobsSettings, *, field: str = "image") -> bytes:
    """The whole picture as the worker will read it. Raises as read_original()."""
    return to_png(read_original(image, max_pixels=limits.max_image_pixels, field=field))


def to_png(picture: PillowImage.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def features_file(features: Tensor, layer: Layer | None) -> bytes:
    """The features as np.load() reads them. layer: whose output they are to be; None: the worker checks. Raises
    InvalidInput that names `features`, or what of it is wrong."""
    array = to_array(features, (DataType.DATA_TYPE_FLOAT32,), field="features")
    if not np.isfinite(array).all():
        raise InvalidInput("the features must be finite", field="features", reason="NOT_FINITE")
    if not array.shape or (layer is not None and layer.output_shape and array.shape != tuple(layer.output_shape)):
        wanted = f"{list(layer.output_shape)}, as the layer {layer.name!r} has it" if layer else "a layer's"
        message = f"the shape of the features must be {wanted}, not {list(array.shape)[:8]}"
        raise InvalidInput(message, field="features", reason="SHAPE_MISMATCH")
    if not array.any():
        message = "the features are zeros alone, to which nothing can be near"
        raise InvalidInput(message, field="features", reason="OUT_OF_RANGE")
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
