"""Certificates for tests, made by openssl."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = "DNS:localhost,IP:127.0.0.1"
SIGNED = {"server": ("ca", NAMES), "client": ("ca", NAMES), "unknown": ("stranger", NAMES), "renewed": ("ca", NAMES)}
# Of another host than the one that is called.
SIGNED |= {"elsewhere": ("ca", "DNS:elsewhere.example")}


@dataclass(frozen=True)
class Certificates:
    """PEM files, each with its key: the authorities `ca` and `stranger`, and what they have signed. locked.key is the
    client's behind a password; rubbish.pem is none."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def read(self, name: str) -> bytes:
        return self.path(name).read_bytes()


def make_certificates(folder: Path) -> Certificates:
    """Skips where there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, which makes the certificates")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for authority in ("ca", "stranger"):
        run("req", "-x509", *curve, "-keyout", f"{authority}.key", "-out", f"{authority}.pem",
            "-subj", f"/CN={authority}", "-days", "2")  # fmt: skip
    for name, (authority, names) in SIGNED.items():
        (folder / "names").write_text(f"subjectAltName={names}\n")
        run("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "names")  # fmt: skip
    run("pkey", "-in", "client.key", "-aes128", "-passout", "pass:sesame", "-out", "locked.key")
    (folder / "rubbish.pem").write_text("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
    return Certificates(folder)
