"""Writes `artifacts.lock`: resolves the versions below and hashes every file. Run it by hand after a version change.

python -m tools.downloads_lock
"""

from __future__ import annotations

from pathlib import Path

from jgo.maven import Artifact as MavenArtifact
from jgo.maven import MavenContext

from services.embedded.artifacts import LOCK_FILE, cache_folder, sha256_of

KAFKA = ("org.apache.kafka", "kafka_2.13", "4.3.1")
LOG4J_BINDING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")
"""Without this binding a crash of Kafka prints nothing."""
ELASTICSEARCH = ("org.elasticsearch.distribution.integ-test-zip", "elasticsearch", "9.5.4")
"""The real server with few modules, from Elastic's own Maven coordinates."""
COMPILER = ("org.eclipse.jdt", "ecj", "3.46.100")
"""A compiler that needs only a JRE. It compiles the analyzer plugin."""


def resolve(context: MavenContext) -> list[MavenArtifact]:
    """Every file in class path order: Kafka with its dependencies, the binding, Elasticsearch, the compiler."""
    found: dict[tuple[str, str], MavenArtifact] = {}
    for coordinates in (KAFKA, LOG4J_BINDING):
        inputs, transitive = context.resolver.resolve([context.create_dependency(":".join(coordinates))])
        for dependency in (*inputs, *transitive):
            found.setdefault((dependency.groupId, dependency.artifactId), dependency.artifact)
    for (group, name, version), packaging in ((ELASTICSEARCH, "zip"), (COMPILER, "jar")):
        found[group, name] = context.project(group, name).at_version(version).artifact(packaging=packaging)
    return list(found.values())


def main() -> None:
    """Resolve and download all files, hash them, and write the lock file."""
    lines = ["# group\tname\tversion\tpackaging\tsha256\tbytes; written by python -m tools.downloads_lock"]
    for artifact in resolve(MavenContext(repo_cache=cache_folder(), timeout=60)):
        path = Path(artifact.resolve())
        fields = (artifact.groupId, artifact.artifactId, artifact.version, path.suffix[1:])
        lines.append("\t".join((*fields, sha256_of(path), str(path.stat().st_size))))
    LOCK_FILE.write_text("\n".join(lines) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
