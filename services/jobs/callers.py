"""Who calls."""

from typing import Any
from urllib.parse import unquote

import grpc

from convscope.services.common.access.current import CALLER


def caller_of(context: grpc.ServicerContext) -> str:
    """The name that goes with its token; the name in the client's certificate where it shows one; else the address
    that it calls from."""
    if (caller := CALLER.get()) is not None:
        return caller.name
    names: Any = context.auth_context().get("x509_common_name", ())
    if names:
        return str(names[0].decode(errors="replace"))
    peer = unquote(context.peer())  # ipv4:127.0.0.1:4711, ipv6:[::1]:4711, unix:...
    kind, _, address = peer.partition(":")
    return address.rpartition(":")[0] if kind in ("ipv4", "ipv6") else kind
