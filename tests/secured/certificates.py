"""Certificates for one test run: a CA of ours, and what may be wrong with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.common.private_files import write_private

HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of one folder. Each certificate is in one file with its key."""

    folder: Path
    ca: Path
    other_ca: Path
    """A CA that signed nothing."""
    server: Path
    expired: Path
    other_host: Path
    client: Path
    stranger: Path
    """The certificate of a client, signed by the other CA."""


def make_certificates(folder: Path) -> Certificates:
    """Make all certificates. A second CA stands for everybody whom the first one does not know."""
    ca, other = trustme.CA(), trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    made = {
        "server": ca.issue_cert(*HOSTS),
        "expired": ca.issue_cert(*HOSTS, not_before=yesterday - timedelta(days=9), not_after=yesterday),
        "other-host": ca.issue_cert("elsewhere.example"),
        "client": ca.issue_cert("client@example.org", common_name="news"),
        "stranger": other.issue_cert("stranger@example.org", common_name="stranger"),
    }
    for name, certificate in made.items():
        key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # Kafka reads no other format
        chain = b"".join(one.bytes() for one in certificate.cert_chain_pems)
        write_private(folder / f"{name}.pem", (pem + chain).decode())
    ca.cert_pem.write_to_path(folder / "ca.pem")
    other.cert_pem.write_to_path(folder / "other-ca.pem")
    names = ("ca", "other-ca", "server", "expired", "other-host", "client", "stranger")
    return Certificates(folder, *(folder / f"{name}.pem" for name in names))
