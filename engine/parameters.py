"""What the parameters of methods and of syntheses have in common. Needs no torch."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from convscope.engine.errors import InvalidParameter


class Parameters(BaseModel):
    """Frozen and strict: the one place where the parameters of a kind of work are checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Check values from a caller. Raises InvalidParameter that names the field."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            # What two fields together get wrong has no place of its own, but names one.
            field = str(first["loc"][0]) if first["loc"] else str(first["ctx"]["field"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields) or "none"
                message = f"unknown parameter {field!r}; known: {known}"
            elif first["msg"].startswith("Input "):
                message = f"{field} {first['msg'].removeprefix('Input ')}, not {shown(first['input'])}"
            elif first["loc"]:
                message = f"{field}: {first['msg']}"
            else:
                message = first["msg"]
            raise InvalidParameter(message, field=field) from error


def shown(value: object) -> str:
    """A caller's value in a message; of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
