"""What the parameters of every method have in common."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from convscope.engine.parameters import Parameters

if TYPE_CHECKING:
    from convscope.engine.models.layers import LayerMap

Seed = Annotated[int, Field(ge=0, lt=2**31)]


class MethodParameters(Parameters):
    """Parameters of an attribution method."""

    def looks_at(self, layers: "LayerMap") -> str:
        """The layer that the method will look at; empty for none. Raises as LayerMap.spatial()."""
        return ""


class LayerParameters(MethodParameters):
    """Parameters of a method that looks at a layer."""

    layer: str | None = None
    """A layer with a grid of places; None: the last one of the network that is no mere pooling."""

    def looks_at(self, layers: "LayerMap") -> str:
        return layers.spatial(self.layer)


class ClassActivationParameters(LayerParameters):
    """Parameters of a method that adds up the channels of a layer."""

    relu: bool = True
    """Keep evidence for the target only, as the papers do."""


Share = Annotated[float, Field(ge=0, le=1)]
Color = Annotated[
    tuple[Share, Share, Share],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]
"""Red, green and blue, 0 to 1."""
