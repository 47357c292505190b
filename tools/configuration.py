"""Writes docs/configuration.md from the settings classes. `--check` fails when the page is not up to date.

python -m tools.configuration [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from services.archive.settings import ArchiveSettings
from services.common.settings import ElasticsearchSettings, Settings
from services.dedup.settings import DedupSettings
from services.embedded.settings import EmbeddedSettings
from services.entities.settings import EntitySettings
from services.indexer.settings import IndexerSettings
from services.producer.settings import ProducerSettings
from services.worker.settings import WorkerSettings
from tools.generated import write_or_check

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
SECTIONS: tuple[tuple[str, type[BaseSettings], type[BaseSettings] | None], ...] = (
    ("Every service", Settings, None),
    ("Elasticsearch (indexer, search, status)", ElasticsearchSettings, Settings),
    ("Producer", ProducerSettings, Settings),
    ("Worker", WorkerSettings, Settings),
    ("Entities (a stage of the worker)", EntitySettings, Settings),
    ("Dedup", DedupSettings, Settings),
    ("Indexer", IndexerSettings, ElasticsearchSettings),
    ("Archive", ArchiveSettings, Settings),
    ("Embedded stack (`dragoman up`)", EmbeddedSettings, Settings),
)
HEAD = """# Configuration

`make schemas` generates this page from the settings classes.
Every value is read from the environment.
A secret may be in a file: `DRAGOMAN_KAFKA_PASSWORD_FILE=/run/secrets/kafka` has the value of `DRAGOMAN_KAFKA_PASSWORD`.
`dragoman up` writes addresses, users and passwords of its servers to `$DRAGOMAN_HOME/endpoints.json`.
They are used when the environment does not set them, and only for the addresses in that file.
"""


def render() -> str:
    """The text of the page."""
    parts = [HEAD]
    for title, settings, base in SECTIONS:
        inherited = base.model_fields if base else {}
        parts.append(f"\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n")
        for name, field in settings.model_fields.items():
            if name not in inherited:
                parts.append(f"| `DRAGOMAN_{name.upper()}` | {_default(name, field)} | {field.description} |\n")
    return "".join(parts)


def _default(name: str, field: FieldInfo) -> str:
    if name == "home":
        return "`.dragoman`"
    value = field.default
    if value is PydanticUndefined or value is None or value == "":
        return "–"
    if isinstance(value, SecretStr):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main(arguments: list[str]) -> int:
    """Write or check the page. Returns the exit code."""
    return write_or_check(PAGE, "docs/configuration.md", render(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
