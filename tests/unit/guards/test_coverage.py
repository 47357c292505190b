"""Coverage by package, and what is too low."""

from __future__ import annotations

from tests.coverage import Covered, by_package, package_of, too_low


def file(run: int, of: int) -> dict[str, dict[str, int]]:
    return {"summary": {"covered_lines": run, "num_statements": of}}


def test_files_count_for_their_package() -> None:
    report = {
        "files": {"services/cli/main.py": file(1, 2), "services/cli/dead.py": file(2, 2), "schemas/base.py": file(3, 4)}
    }
    found = by_package(report)
    assert {name: (part.run, part.of) for name, part in found.items()} == {"schemas": (3, 4), "services/cli": (3, 4)}
    assert package_of("services/producer/ledger/store.py") == "services/producer"
    assert package_of("services/__init__.py") == "services"


def test_a_package_or_the_whole_below_its_limit_is_named() -> None:
    good, poor = Covered(95, 100), Covered(74, 100)
    assert too_low({"a": good}) == []
    (sentence, whole) = too_low({"a": good, "b": poor})
    assert sentence.startswith("b has 74.0 %")
    assert whole.startswith("all packages together have 84.5 %")
    assert too_low({"a": Covered(1000, 1000), "b": poor}) == [sentence]
    assert too_low({"empty": Covered()}) == []
