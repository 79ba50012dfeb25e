"""Where the store is, and how a program knows that it is the right one."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from convscope.services.common.errors import StoreMisnamed

FORM = "redis://[[user]:password@]host[:port][/number], or rediss:// where it is encrypted"
# A "/" in a password would end the address before its host.
ESCAPED = "in a user and a password / ? # @ : and % are written as %2F, %3F, %23, %40, %3A and %25"


@dataclass(frozen=True)
class StoreAddress:
    """For redis-py and Celery alike, which read a URL's options each in its own way: so there may be none in it."""

    url: str = field(repr=False)
    ca: Path | None = None
    """PEM bundle that signed the store's certificate, besides the system's."""
    certificate: Path | None = None
    """PEM chain to show to the store."""
    key: Path | None = None
    """PEM key of that chain."""

    def __post_init__(self) -> None:
        """Raises StoreMisnamed, which names the setting."""
        _check_url(self.url)
        if (self.certificate is None) != (self.key is None):
            raise StoreMisnamed("redis_tls_certificate and redis_tls_key go together")
        if not self.encrypted and (self.ca is not None or self.certificate is not None):
            raise StoreMisnamed("redis_url: with redis_tls_* it begins with rediss://, for redis:// is not encrypted")
        self._check_files()

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "rediss"

    def tls(self) -> dict[str, Any]:
        """As redis-py's connections take it, and Celery's broker_use_ssl, which verifies nothing by itself. Files are
        read again for every connection. Empty where nothing is encrypted."""
        if not self.encrypted:
            return {}
        names = {"ssl_ca_certs": self.ca, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        return {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            **{name: str(path) for name, path in names.items() if path is not None},
        }

    def _check_files(self) -> None:
        """What is wrong with them is said at the start; a connection would be tried again for ever."""
        for name, path in (("ca", self.ca), ("certificate", self.certificate), ("key", self.key)):
            try:
                if path is not None:
                    path.read_bytes()
            except OSError as error:
                raise StoreMisnamed(f"redis_tls_{name}: {path} cannot be read: {error.strerror}") from error
        context = ssl.create_default_context()
        try:
            if self.ca is not None:
                context.load_verify_locations(self.ca)
        except ssl.SSLError as error:
            raise StoreMisnamed(f"redis_tls_ca: {self.ca} holds no certificate: {error}") from error
        try:
            if self.certificate is not None:
                # Of a key behind a password OpenSSL would ask on the terminal.
                context.load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            pair = f"{self.certificate} and {self.key} are no certificate and its key"
            raise StoreMisnamed(f"redis_tls_certificate: {pair}: {error}") from error


def _check_url(url: str) -> None:
    # Not from the error: a port that is none is a piece of the password, where that has a "/".
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("redis", "rediss") and parts.hostname and parts.port != 0
    except ValueError:
        found = None
    if not found:
        raise StoreMisnamed(f"redis_url: it must be {FORM}; {ESCAPED}") from None
    if parts.query or parts.fragment:
        message = "redis_url: it takes no options behind ? and #; redis_tls_ca and its like say how it is encrypted"
        raise StoreMisnamed(f"{message}; {ESCAPED}")
    if parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise StoreMisnamed(f"redis_url: behind its host stands the number of a database, or nothing; {ESCAPED}")
