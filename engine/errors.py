"""What can go wrong, for library and service alike. No class here needs torch.

    ConvscopeError                    status               reason
    ├── InvalidInput                  INVALID_ARGUMENT     the caller's to mend; names the field
    │   ├── ImageUndecodable                               IMAGE_UNDECODABLE
    │   ├── ImageTooLarge                                  IMAGE_TOO_LARGE
    │   ├── UnknownName                                    UNKNOWN_CLASS, UNKNOWN_LAYER ... with the nearest
    │   └── InvalidParameter                               INVALID_PARAMETER
    ├── UnknownModel                  NOT_FOUND            UNKNOWN_MODEL; with the nearest
    ├── MethodUnsupported             FAILED_PRECONDITION  METHOD_UNSUPPORTED
    ├── TaskUnsupported               FAILED_PRECONDITION  TASK_UNSUPPORTED; a question to a captioner, say
    └── CatalogueError                FAILED_PRECONDITION  CATALOGUE_INVALID
        └── ModelUnloadable                                MODEL_UNLOADABLE

`status` is the name of a canonical status code; services translate it in one place.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class ConvscopeError(Exception):
    """The root: an error with a canonical status, a reason in capitals and, where one is to blame, a field."""

    status: ClassVar[str] = "INTERNAL"
    reason: str = "INTERNAL"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.position: int | None = None
        """Of several things asked for at once, the one to blame."""


class InvalidInput(ConvscopeError):
    """Something the caller sent and can mend."""

    status = "INVALID_ARGUMENT"
    reason = "INVALID_INPUT"

    def __init__(self, message: str, *, field: str, reason: str = "") -> None:
        super().__init__(message, field=field)
        if reason:
            self.reason = reason


class ImageUndecodable(InvalidInput):
    """Bytes that are no picture, or only the beginning of one."""

    reason = "IMAGE_UNDECODABLE"


class ImageTooLarge(InvalidInput):
    """A picture with more pixels than are accepted."""

    reason = "IMAGE_TOO_LARGE"


class InvalidParameter(InvalidInput):
    """A parameter of a method that is out of its range or of the wrong type."""

    reason = "INVALID_PARAMETER"


class UnknownName(InvalidInput):
    """A name that does not exist; the message lists the nearest that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, field: str) -> None:
        super().__init__(_unknown(kind, name, known), field=field, reason=f"UNKNOWN_{kind.upper()}")


class UnknownModel(ConvscopeError):
    """A model that the catalogue does not have; the message lists the nearest that it has."""

    status = "NOT_FOUND"
    reason = "UNKNOWN_MODEL"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(_unknown("model", name, known), field="model")


class MethodUnsupported(ConvscopeError):
    """A method that has no meaning for this model or layer; the message says why."""

    status = "FAILED_PRECONDITION"
    reason = "METHOD_UNSUPPORTED"


class TaskUnsupported(ConvscopeError):
    """Something that is for models of another task: a question to one that captions, say."""

    status = "FAILED_PRECONDITION"
    reason = "TASK_UNSUPPORTED"


class CatalogueError(ConvscopeError):
    """A catalogue that cannot be read, or an entry of it that cannot be right."""

    status = "FAILED_PRECONDITION"
    reason = "CATALOGUE_INVALID"


class ModelUnloadable(CatalogueError):
    """An entry whose network or weights cannot be loaded."""

    reason = "MODEL_UNLOADABLE"


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    by_folded = {known_name.casefold(): known_name for known_name in names}
    near = [by_folded[folded] for folded in get_close_matches(name.casefold()[:200], by_folded, n=5, cutoff=0.4)]
    shown = name if len(name) <= 100 else name[:100] + "..."
    if near:
        return f"unknown {kind} {shown!r}; nearest: {', '.join(near)}"
    few = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"unknown {kind} {shown!r}; known: {few or 'none'}"
