"""The mathematics: what convscope computes, usable as a library by itself.

    from convscope.engine import attribute
    heatmaps = attribute(model, images, targets, "grad_cam", layer="layer4")

Nothing here knows gRPC, Redis or Celery.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convscope.engine.attribution.attribute import attribute as attribute

__all__ = ["attribute"]


def __getattr__(name: str) -> Any:
    """Import torch only when something that needs it is asked for."""
    if name == "attribute":
        from convscope.engine.attribution.attribute import attribute

        return attribute
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
