"""Ports of this machine."""

import random
import socket

# Below those that connections take for their own end: one of them might have it by the time a server listens on it.
FREE = range(20_000, 32_000)
TRIES = 100


class PortTaken(OSError):
    """Somebody else listens on the port."""


def choose_port(port: int, what: str, *, option: str, host: str = "127.0.0.1") -> int:
    """`port` where it is free, any free one for 0. Raises PortTaken that names the port and the option."""
    for candidate in [port] if port else random.SystemRandom().sample(FREE, TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
                return candidate
            except OSError as error:
                taken = error
    raise PortTaken(f"port {port} ({what}) is taken; choose another with {option}") from taken
