"""What the parameters of every method have in common."""

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from convscope.engine.errors import InvalidParameter

if TYPE_CHECKING:
    from convscope.engine.models.layers import LayerMap

Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Parameters(BaseModel):
    """Frozen and strict: the one place where a method's parameters are checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Check values from a caller. Raises InvalidParameter that names the field."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0])
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields) or "none"
                message = f"unknown parameter {field!r}; known: {known}"
            elif first["msg"].startswith("Input "):
                message = f"{field} {first['msg'].removeprefix('Input ')}, not {shown(first['input'])}"
            else:
                message = f"{field}: {first['msg']}"
            raise InvalidParameter(message, field=field) from error

    def looks_at(self, layers: "LayerMap") -> str:
        """The layer that the method will look at; empty for none. Raises as LayerMap.spatial()."""
        return ""


def shown(value: object) -> str:
    """A caller's value in a message; of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class LayerParameters(Parameters):
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
