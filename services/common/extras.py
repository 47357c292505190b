"""Lists the packages of an optional part of Dragoman and explains how to install them."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

DISTRIBUTION: Final = "dragoman"
REQUIREMENT: Final = re.compile(r"""^([A-Za-z0-9._-]+).*;.*extra\s*==\s*['"]([A-Za-z0-9._-]+)['"]""")


def packages_of(extra: str) -> tuple[str, ...]:
    """The names of the packages that an extra adds. Empty if Dragoman is not installed as a package."""
    try:
        requires = distribution(DISTRIBUTION).requires or []
    except PackageNotFoundError:
        return ()
    found = (REQUIREMENT.match(line) for line in requires)
    return tuple(match[1] for match in found if match is not None and match[2] == extra)


def installed_from() -> str | None:
    """The file or URL that Dragoman was installed from (PEP 610). None if it came from an index."""
    try:
        text = distribution(DISTRIBUTION).read_text("direct_url.json")
        return str(json.loads(text)["url"]) if text else None
    except (PackageNotFoundError, ValueError, KeyError):
        return None


def install_hint(extra: str) -> str:
    """A sentence that says how to add an extra to this installation.

    It never tells anyone to install plain `dragoman`, because an index may have another project under that name.
    """
    source = installed_from()
    if source is not None:
        return f'Install it with: pip install "{DISTRIBUTION}[{extra}] @ {source}"'
    return f"Install them with: pip install {' '.join(packages_of(extra))}"


def describe_missing(extra: str, what: str, missing: str | None) -> str:
    """The sentence for a person whose installation lacks an extra. `missing` is the module that was not found."""
    module = f" ({missing} is not installed)" if missing else ""
    packages = ", ".join(packages_of(extra)) or "the packages of requirements/runtime.txt"
    return f"{what} needs the extra `{extra}`{module}: {packages}. {install_hint(extra)}"
