"""One cluster with TLS and logins for all tests of this folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.secured.certificates import Certificates, make_certificates
from tests.secured.servers import Cluster, secured_cluster


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    with tempfile.TemporaryDirectory(prefix="dragoman-certificates-") as name:
        yield make_certificates(Path(name))


@pytest.fixture(scope="session")
def cluster(certificates: Certificates) -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="dragoman-secured-", ignore_cleanup_errors=True) as name,
        secured_cluster(Path(name), certificates) as made,
    ):
        yield made
