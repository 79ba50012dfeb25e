"""The certificate that a server shows, and whose certificates it wants to see."""

import ssl
from pathlib import Path
from typing import Any

import grpc

from convscope.services.common.reloaded import Reloaded
from convscope.services.common.settings import ServerSettings


def server_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """None where calls are not encrypted. Files that change count from the next connection on. Raises OSError for files
    that are no certificate and its key."""
    chain, key, authority = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    if chain is None or key is None:
        return None
    files = [chain, key] if authority is None else [chain, key, authority]
    certificate = Reloaded("certificate", files, lambda: _read(chain, key, authority))
    shown = certificate()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        """For gRPC, which asks at each new connection; None: as before."""
        nonlocal shown
        current = certificate()
        if current is shown:
            return None
        shown = current
        return current

    fetch: Any = changed  # the stubs do not know of None
    return grpc.dynamic_ssl_server_credentials(shown, fetch, require_client_authentication=authority is not None)


def _read(chain: Path, key: Path, authority: Path | None) -> grpc.ServerCertificateConfiguration:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    pair, authorities = (key.read_bytes(), chain.read_bytes()), authority.read_bytes() if authority else None
    try:
        # Of a key behind a password OpenSSL would ask on the terminal.
        context.load_cert_chain(chain, key, password="")
    except ssl.SSLError as error:
        raise OSError(f"{chain} and {key} are no certificate and its key: {error}") from error
    try:
        if authority is not None:
            context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise OSError(f"{authority} holds no certificate: {error}") from error
    return grpc.ssl_server_certificate_configuration([pair], authorities)
