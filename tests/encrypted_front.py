"""TLS in front of a store that speaks none: real handshakes, and what came of them."""

import select
import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.certificates import Certificates

HANDSHAKE = 0x16
"""The first byte of everything that is TLS."""


class EncryptedFront:
    """Listens on a port of its own, and hands on what it has decrypted."""

    def __init__(
        self, port: int, certificates: Certificates, *, shows: str = "server", wants: str | None = "ca"
    ) -> None:
        """port: of the store. shows: its certificate. wants: who signs those of clients; None: they need none."""
        self._target = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.path(f"{shows}.pem"), certificates.path(f"{shows}.key"))
        if wants is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(certificates.path(f"{wants}.pem"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.first_bytes: list[int] = []
        """Of every connection that said something."""
        self.let_in = 0
        """Connections whose handshake succeeded."""
        threading.Thread(target=self._accept, name="encrypted front", daemon=True).start()

    def url(self, password: str = "", *, host: str = "localhost") -> str:
        return f"rediss://:{password}@{host}:{self.port}/0" if password else f"rediss://{host}:{self.port}/0"

    def close(self) -> None:
        """Take no more connections."""
        # A thread that is in accept() would keep the port.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, caller.dup() as raw:
            try:
                first = caller.recv(1, socket.MSG_PEEK)
                self.first_bytes += first
                encrypted = self._context.wrap_socket(caller, server_side=True)
            except OSError:
                _listen_to_the_end(raw)
                return
            self.let_in += 1
            with encrypted, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as store:
                _exchange(encrypted, store)


def _listen_to_the_end(refused: socket.socket) -> None:
    """So that why it was refused reaches it, whatever it has said meanwhile."""
    with suppress(OSError):
        refused.shutdown(socket.SHUT_WR)
        while refused.recv(65536):
            pass


def _exchange(encrypted: ssl.SSLSocket, store: socket.socket) -> None:
    """Until one of the two has gone. In one thread, for an encrypted socket is not for two."""
    other: dict[socket.socket, socket.socket] = {encrypted: store, store: encrypted}
    while True:
        ready = [encrypted] if encrypted.pending() else select.select([*other], [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            other[source].sendall(data)
