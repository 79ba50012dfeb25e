"""python -m convscope.services.common.probe: whether the server on this machine is healthy; for containers.

Kubernetes asks gRPC by itself, but not where calls are encrypted.
"""

import argparse
import os
import sys
from pathlib import Path
from urllib.request import ProxyHandler, build_opener


def main() -> int:
    """Exit status 0: it is."""
    parser = argparse.ArgumentParser(prog="convscope.services.common.probe", description=__doc__)
    parser.add_argument("--port", default=os.environ.get("CONVSCOPE_PORT", "50051"), help="Port on this machine.")
    parser.add_argument("--http", metavar="PATH", help="A page to ask for, in place of grpc.health.v1.")
    parser.add_argument("--ca", type=Path, help="PEM bundle that signed the server's certificate for localhost.")
    parser.add_argument("--within", type=float, default=5.0, help="Seconds; default 5.")
    options = parser.parse_args()
    try:
        if options.http:
            healthy = answers(f"http://127.0.0.1:{options.port}{options.http}", options.within)
        else:
            healthy = serves(f"localhost:{options.port}", options.within, options.ca)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if healthy else 1


def answers(url: str, within: float) -> bool:
    """Raises OSError where nobody is there, or the page is an error."""
    # The way to oneself leads through no proxy.
    with build_opener(ProxyHandler({})).open(url, timeout=within) as page:
        return bool(page.status == 200)


def serves(address: str, within: float, ca: Path | None = None) -> bool:
    """Whether health says SERVING. Raises OSError for certificates that cannot be read."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    options = (("grpc.enable_http_proxy", 0),)
    if ca is None:
        channel = grpc.insecure_channel(address, options)
    else:
        credentials = grpc.ssl_channel_credentials(ca.read_bytes(), *_own_pair())
        channel = grpc.secure_channel(address, credentials, options)
    with channel:
        try:
            response = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=within)
        except grpc.RpcError as error:
            sys.stderr.write(f"{error.code().name}: {error.details()}\n")
            return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


def _own_pair() -> tuple[bytes | None, bytes | None]:
    """Key and certificate of the server itself, which asks its callers for one."""
    if not os.environ.get("CONVSCOPE_TLS_CLIENT_CA"):
        return None, None
    key, certificate = (Path(os.environ[f"CONVSCOPE_TLS_{name}"]).read_bytes() for name in ("KEY", "CERTIFICATE"))
    return key, certificate


if __name__ == "__main__":
    sys.exit(main())
