"""Makes news from templates: all sentences are shared, names and numbers differ, and no two reports are the same."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TEMPLATES = Path(__file__).with_name("templates.yaml")
SEEN = 20
"""Number of reports per template that were used to set the limits of the vetoes. Only later reports are measured."""
FILLINGS = 20
KIND = "template"
SLOT = re.compile(r"\{(?:(?P<low>\d+)(?:-(?P<high>\d+))?|(?P<name>[a-z]+)(?P<other>\d*))\}")


@dataclass(slots=True)
class Filling:
    """The values for one report of a template. A name stays the same in it. Each number is drawn separately."""

    words: Mapping[str, Sequence[str]]
    chance: random.Random
    _chosen: dict[str, str] = field(default_factory=dict)

    def apply(self, text: str) -> str:
        """The text with its slots filled."""
        return SLOT.sub(self._fill, text)

    def _fill(self, slot: re.Match[str]) -> str:
        if slot["low"]:
            return str(self.chance.randint(int(slot["low"]), int(slot["high"] or slot["low"])))
        key = slot["name"] + slot["other"]
        if key not in self._chosen:
            words = self.words.get(key) or self.words[slot["name"]]
            self._chosen[key] = self.chance.choice([word for word in words if word not in self._chosen.values()])
        return self._chosen[key]


def template_rows(fillings: int = FILLINGS) -> Iterator[dict[str, Any]]:
    """This many reports of each template that no limit was set on, each in a separate group. Always the same."""
    content = YAML(typ="safe").load(TEMPLATES.read_text(encoding="utf8"))
    for template in content["templates"]:
        for number in range(SEEN, SEEN + fillings):
            name = f"{template['id']}#{number}"
            filling = Filling(content["words"][template["language"]], random.Random(name))
            title, text = filling.apply(template["title"]), filling.apply(template["text"])
            yield {"id": name, "lang": template["language"], "group": name, "kind": KIND, "title": title, "text": text}
