"""The analyzer plugin: one class for each analyzer, compiled once, in the form that the server loads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from services.embedded import plugin
from services.embedded.errors import StackError
from services.embedded.java import Java
from services.embedded.plugin import NAME, analyzers, build_plugin

COMPILER = """#!/bin/sh
echo "$@" > "$0.arguments"
for last; do :; done
for one; do [ "$before" = -d ] && out=$one; before=$one; done
mkdir -p "$out/dragoman"
for source in "$last"/*.java; do
  name=${source##*/}
  cp "$source" "$out/dragoman/${name%.java}.class"
done
"""


def java(home: Path, program: str) -> Java:
    """A `java` that runs this instead of the compiler."""
    path = home / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(program)
    path.chmod(0o755)
    return Java(home, 21)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    folder = tmp_path / "server"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "lucene.jar").write_text("")
    return folder


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One analyzer, where their number does not matter."""
    monkeypatch.setattr(plugin, "analyzers", lambda: {"dutch": "org.example.Dutch"})


def test_every_analyzer_is_a_named_component_with_a_class_in_the_jar(server: Path, tmp_path: Path) -> None:
    fake = java(tmp_path / "java", COMPILER)
    build_plugin(server, "9.9.9", tmp_path / "ecj.jar", fake)
    made = server / "plugins" / NAME
    (components,) = json.loads((made / "named_components.json").read_text()).values()
    assert components.keys() == analyzers().keys()
    assert {"dutch", "cjk", "brazilian"} <= components.keys()
    with zipfile.ZipFile(made / f"{NAME}.jar") as jar:
        classes = {name.removesuffix(".class").replace("/", "."): jar.read(name).decode() for name in jar.namelist()}
    assert set(components.values()) == classes.keys()
    assert f"new {analyzers()['dutch']}()" in classes[components["dutch"]]
    descriptor = (made / "stable-plugin-descriptor.properties").read_text().splitlines()
    assert {f"name={NAME}", "elasticsearch.version=9.9.9", "java.version=21"} <= set(descriptor)
    assert [path.name for path in server.iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("_few")
def test_the_servers_own_libraries_are_compiled_against(server: Path, tmp_path: Path) -> None:
    fake = java(tmp_path / "java", COMPILER)
    build_plugin(server, "9.9.9", tmp_path / "ecj.jar", fake)
    arguments = (tmp_path / "java" / "bin" / "java.arguments").read_text()
    assert f"-jar {tmp_path}/ecj.jar --release 21" in arguments
    assert f"-cp {server}/lib/lucene.jar" in arguments


@pytest.mark.usefixtures("_few")
def test_a_plugin_that_is_there_is_not_built_again(server: Path, tmp_path: Path) -> None:
    build_plugin(server, "9.9.9", tmp_path / "ecj.jar", java(tmp_path / "java", COMPILER))
    build_plugin(server, "9.9.9", tmp_path / "ecj.jar", java(tmp_path / "broken", "#!/bin/sh\nexit 1\n"))


@pytest.mark.usefixtures("_few")
def test_a_plugin_that_does_not_compile_is_not_installed(server: Path, tmp_path: Path) -> None:
    broken = java(tmp_path / "java", "#!/bin/sh\necho 'cannot find symbol' >&2\nexit 1\n")
    with pytest.raises(StackError, match="does not compile: cannot find symbol"):
        build_plugin(server, "9.9.9", tmp_path / "ecj.jar", broken)
    assert not (server / "plugins" / NAME).exists()
    build_plugin(server, "9.9.9", tmp_path / "ecj.jar", java(tmp_path / "whole", COMPILER))
    assert (server / "plugins" / NAME / f"{NAME}.jar").is_file()
