"""Lists in pages (AIP-158)."""

import base64
import binascii

from convscope.engine.errors import InvalidInput

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000


def page_size(asked: int) -> int:
    """0 means the default. Raises InvalidInput."""
    size = asked or DEFAULT_PAGE_SIZE
    if not 1 <= size <= MAX_PAGE_SIZE:
        message = f"page_size must be 1 to {MAX_PAGE_SIZE}, not {asked}"
        raise InvalidInput(message, field="page_size", reason="OUT_OF_RANGE")
    return size


def to_token(place: str) -> str:
    """A page token, which callers need not understand."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def from_token(token: str) -> str:
    """The place that a token stands for. Raises InvalidInput for what is no token."""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise foreign_token() from None


def foreign_token() -> InvalidInput:
    """The error for a page token that is none of this list."""
    return InvalidInput("page_token is none that this server gave", field="page_token", reason="PAGE_TOKEN_INVALID")
