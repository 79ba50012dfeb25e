"""Ports of this machine."""

import socket


class PortTaken(OSError):
    """Somebody else listens on the port."""


def choose_port(port: int, what: str, *, option: str, host: str = "127.0.0.1") -> int:
    """`port` where it is free, any free one for 0. Raises PortTaken that names the port and the option."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"port {port} ({what}) is taken; choose another with {option}") from error
        return int(probe.getsockname()[1])
