"""Builds the small stable plugin that gives the embedded Elasticsearch the full server's language analyzers.

Lucene's analyzers are already in the server's `lib/`. The plugin only registers them under their usual names, so that
one index template works for both servers. Other components (`pattern_capture`, …) belong to security and are not built.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

from services.embedded.errors import StackError
from services.embedded.java import Java

ANALYZERS = Path(__file__).with_name("analyzers.tsv")
NAME = "dragoman-analyzers"
PACKAGE = "dragoman"
SOURCE = """package dragoman;
import org.elasticsearch.plugin.NamedComponent;
@NamedComponent("{name}")
public class {class_name} implements org.elasticsearch.plugin.analysis.AnalyzerFactory {{
  public String name() {{ return "{name}"; }}
  public org.apache.lucene.analysis.Analyzer create() {{ return new {lucene}(); }}
}}
"""


def analyzers() -> dict[str, str]:
    """The Elasticsearch name and the Lucene class of every analyzer that the full server also has."""
    with ANALYZERS.open(encoding="utf8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {row["es_name"]: row["lucene_class"] for row in rows if row["in_full_elasticsearch"] == "yes"}


def build_plugin(server: Path, version: str, compiler: Path, java: Java) -> None:
    """Compile and install the plugin under `server/plugins`. Does nothing if it is already installed."""
    target = server / "plugins" / NAME
    if (target / f"{NAME}.jar").is_file():
        return
    work = server / f".{NAME}"
    shutil.rmtree(work, ignore_errors=True)
    sources, classes = work / "src", work / "classes"
    sources.mkdir(parents=True)
    classes.mkdir()
    components = {}
    for name, lucene in analyzers().items():
        class_name = f"{name.title()}Factory"
        (sources / f"{class_name}.java").write_text(
            SOURCE.format(name=name, class_name=class_name, lucene=lucene), encoding="utf8"
        )
        components[name] = f"{PACKAGE}.{class_name}"
    _compile(sources, classes, server / "lib", compiler, java)
    install = work / NAME
    install.mkdir()
    with zipfile.ZipFile(install / f"{NAME}.jar", "w") as jar:
        for file in sorted(classes.rglob("*.class")):
            jar.write(file, file.relative_to(classes))
    (install / "stable-plugin-descriptor.properties").write_text(
        f"name={NAME}\nversion=1\ndescription=Lucene's language analyzers\n"
        f"java.version=21\nelasticsearch.version={version}\n",
        encoding="utf8",
    )
    (install / "named_components.json").write_text(
        json.dumps({"org.elasticsearch.plugin.analysis.AnalyzerFactory": components}), encoding="utf8"
    )
    target.parent.mkdir(exist_ok=True)
    install.rename(target)
    shutil.rmtree(work)


def _compile(sources: Path, classes: Path, libraries: Path, compiler: Path, java: Java) -> None:
    class_path = ":".join(str(jar) for jar in sorted(libraries.rglob("*.jar")))
    command = [
        str(java.executable),
        "-jar",
        str(compiler),
        "--release",
        "21",
        "-proc:none",
        "-nowarn",
        "-cp",
        class_path,
    ]
    run = subprocess.run(
        [*command, "-d", str(classes), str(sources)], capture_output=True, text=True, timeout=120, check=False
    )
    if run.returncode:
        raise StackError(f"The analyzer plugin does not compile: {(run.stderr or run.stdout)[-500:]}")
