"""Secrets of the embedded servers: new with each start, private, and in the formats that the servers read."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import pbkdf2_hmac
from pathlib import Path

from services.embedded.credentials import (
    OPERATOR,
    ROLES,
    authorization,
    hashed,
    make_credentials,
    roles_file,
    users_file,
    users_roles_file,
)


def test_each_start_has_new_secrets_but_for_the_key_that_nobody_sends(tmp_path: Path) -> None:
    first, second = make_credentials(tmp_path), make_credentials(tmp_path)
    assert first.transport == second.transport
    assert first.kafka != second.kafka
    assert first.broker != second.broker
    assert all(first.elasticsearch[user] != second.elasticsearch[user] for user in (OPERATOR, *ROLES))
    kept = {path.name: path.read_text().strip() for path in (tmp_path / "credentials").iterdir()}
    assert kept["elasticsearch-indexer"] == second.elasticsearch["indexer"]
    assert len(set(kept.values())) == len(kept) == 6
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "credentials", *tmp_path.rglob("*")))


def test_the_file_realm_gets_hashes_roles_and_no_password(tmp_path: Path) -> None:
    made = make_credentials(tmp_path)
    lines = users_file(made.elasticsearch).splitlines()
    assert [line.partition(":")[0] for line in lines] == [OPERATOR, "indexer", "producer"]
    assert not any(password in "".join(lines) for password in made.elasticsearch.values())
    assert users_roles_file().splitlines() == ["superuser:operator", "indexer:indexer", "producer:producer"]
    roles = dict(line.split(": ", 1) for line in roles_file().splitlines())
    assert json.loads(roles["producer"])["indices"][0]["privileges"] == ["read", "view_index_metadata"]


def test_a_hash_is_that_of_the_password() -> None:
    """`{PBKDF2}iterations$salt$hash`, with HMAC-SHA-512 (Hasher.java of Elasticsearch)."""
    head, salt, digest = hashed("secret").split("$")
    iterations = int(head.removeprefix("{PBKDF2}"))
    assert b64decode(digest) == pbkdf2_hmac("sha512", b"secret", b64decode(salt), iterations, 32)
    assert hashed("secret") != hashed("secret")


def test_the_header_is_that_of_basic_authentication() -> None:
    assert authorization("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
