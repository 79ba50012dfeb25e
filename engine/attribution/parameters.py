"""What the parameters of every method have in common."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from convscope.engine.errors import InvalidParameter


class Parameters(BaseModel):
    """Frozen and strict: the one place where a method's parameters are checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Check values from a caller. Raises InvalidParameter that names the field."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields) or "none"
                message = f"unknown parameter {field!r}; known: {known}"
            else:
                message = f"{field}: {first['msg']}"
            raise InvalidParameter(message, field=field) from error
