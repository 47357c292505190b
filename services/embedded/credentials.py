"""Generated secrets of the embedded servers, and what the servers need to know them.

Each `up` makes new ones, so a home of an earlier version gets them at its next start. Each is a file of its own under
`$DRAGOMAN_HOME/credentials`. Nothing of them is on a command line or in the environment of a process.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from pathlib import Path
from secrets import token_bytes

from services.common.private_files import close_folder, keep_secret, new_secret

FOLDER = "credentials"
TRANSPORT = "elasticsearch-transport"
OPERATOR = "operator"
"""The user of commands, of `client.json` and of people. It may do everything."""
KAFKA_USER = "dragoman"
KAFKA_MECHANISM = "SCRAM-SHA-512"
BROKER_USER = "broker"
"""The user of the broker itself, and of `up` when it makes the other one. It logs in with PLAIN."""
INDICES = ["*articles*", "*stories*"]
"""All indices and aliases of all namespaces and grouping versions."""
ROLES: dict[str, dict[str, object]] = {
    "indexer": {
        "cluster": ["monitor", "manage_index_templates"],
        "indices": [{"names": INDICES, "privileges": ["read", "write", "create_index", "manage"]}],
    },
    "producer": {
        "cluster": [],
        "indices": [{"names": INDICES, "privileges": ["read", "view_index_metadata"]}],
    },
}
"""The role of each service that asks Elasticsearch. What `verify` compares is all that the producer reads."""
SALT_BYTES, HASH_BYTES, ITERATIONS = 32, 32, 10_000
"""Elasticsearch's `pbkdf2` (Hasher.java). A secret of 256 bits cannot be guessed, so few iterations are enough."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets of one home: of Kafka's users, and of Elasticsearch's users by name."""

    folder: Path
    broker: str
    kafka: str
    transport: str
    """Of the key of Elasticsearch's port for other nodes."""
    elasticsearch: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        """The headers with which the operator asks Elasticsearch."""
        return {"Authorization": authorization(OPERATOR, self.elasticsearch[OPERATOR])}

    @property
    def transport_file(self) -> Path:
        """The file with the password of that key."""
        return self.folder / TRANSPORT

    def elasticsearch_file(self, user: str) -> Path:
        """The file with the password of one user of Elasticsearch."""
        return self.folder / f"elasticsearch-{user}"


def make_credentials(home: Path) -> Credentials:
    """New secrets for this home. Those of its last run may be known to who has listened on its ports since.

    Only the key of the port for other nodes stays: nobody sends it to anybody.
    """
    folder = home / FOLDER
    close_folder(folder)
    return Credentials(
        folder,
        broker=new_secret(folder / "kafka-broker"),
        kafka=new_secret(folder / "kafka"),
        transport=keep_secret(folder / TRANSPORT),
        elasticsearch={user: new_secret(folder / f"elasticsearch-{user}") for user in (OPERATOR, *ROLES)},
    )


def authorization(user: str, password: str) -> str:
    """The value of the header `Authorization` (RFC 7617)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def users_file(passwords: dict[str, str]) -> str:
    """The file `users` of Elasticsearch's file realm."""
    return "".join(f"{user}:{hashed(password)}\n" for user, password in passwords.items())


def users_roles_file() -> str:
    """The file `users_roles` of the file realm: each service has the role of its name."""
    return "".join(f"{role}:{user}\n" for role, user in (("superuser", OPERATOR), *((name, name) for name in ROLES)))


def roles_file() -> str:
    """The file `roles.yml`. JSON is YAML, too."""
    return "".join(f"{name}: {json.dumps(role)}\n" for name, role in ROLES.items())


def hashed(password: str) -> str:
    """A password as the file realm keeps it."""
    salt = token_bytes(SALT_BYTES)
    digest = pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, HASH_BYTES)
    return f"{{PBKDF2}}{ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"
