"""Finds names that are in no list: persons, organisations and places in running text."""

from services.entities.names.base import NameFinder, NameSpan, NameType
from services.entities.names.crf import CrfNameFinder
from services.entities.names.gliner_adapter import GlinerNameFinder
from services.entities.names.spacy_adapter import SpacyNameFinder

__all__ = ["NameFinder", "NameSpan", "NameType", "CrfNameFinder", "GlinerNameFinder", "SpacyNameFinder"]
