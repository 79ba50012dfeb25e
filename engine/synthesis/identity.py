"""What an outcome depends on, in plain JSON, so that a checkpoint goes on with the same alone."""

import hashlib
from typing import Any

from PIL import Image

from convscope.engine.models.model import Model
from convscope.engine.parameters import Parameters


def identity(kind: str, model: Model, parameters: Parameters, **others: Any) -> dict[str, Any]:
    """kind: of synthesis. others: what else it was given, plain JSON."""
    return {
        "kind": kind,
        "model": {"name": model.name, "weights": model.weights_digest},
        "preprocessing": model.preprocessing.model_dump(mode="json"),
        "parameters": parameters.model_dump(mode="json"),
        **others,
    }


def picture_digest(picture: Image.Image) -> str:
    """SHA-256 over size, mode and pixels, hex."""
    return hashlib.sha256(f"{picture.size} {picture.mode}\n".encode() + picture.tobytes()).hexdigest()
