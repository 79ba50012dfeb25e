"""Where workers may read images from."""

import posixpath
from collections.abc import Sequence

from convscope.engine.errors import ConvscopeError, InvalidInput


class SourceForbidden(ConvscopeError):
    """A URL outside those that the cluster allows."""

    status = "PERMISSION_DENIED"
    reason = "URL_NOT_ALLOWED"


def check_source(url: str, roots: Sequence[str]) -> str:
    """The URL, written in the one way that is compared with `roots`: a root itself, or something below it.

    Raises InvalidInput for what is no URL, SourceForbidden.
    """
    wanted = _normal(url)
    for root in map(_normal, roots):
        if wanted == root or wanted.startswith(root.rstrip("/") + "/"):
            return wanted
    allowed = ", ".join(roots) or "none"
    raise SourceForbidden(f"{url[:200]} is not among what this cluster reads (import_roots): {allowed}", field="url")


def _normal(url: str) -> str:
    protocol, separator, path = url.partition("://")
    # Chained ones would let a URL say by itself how it is opened.
    if not separator or "::" in url or not protocol.isalnum() or not path or "\0" in url or "?" in url or "#" in url:
        message = f"url must be written file:///folder, s3://bucket/folder or the like, not {url[:200]!r}"
        raise InvalidInput(message, field="url", reason="URL_INVALID")
    if protocol == "file" and not path.startswith("/"):
        message = f"a file URL has three slashes, file:///folder; not {url[:200]!r}"
        raise InvalidInput(message, field="url", reason="URL_INVALID")
    return f"{protocol.lower()}://{posixpath.normpath(path)}"
