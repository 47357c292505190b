"""Fingerprints: spelling variants are the same, and different names differ."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.fingerprint.embed import quantize
from services.fingerprint.sketch import (
    consonant_key,
    facts,
    hash_pairs,
    hash_tokens,
    name_counts,
    text_hashes,
    tokenize,
)


def test_spellings_across_scripts_share_a_skeleton() -> None:
    assert len({consonant_key(name) for name in ("Sergey", "Sergej", "Sergei", "Сергей")}) == 1
    assert len({consonant_key(name) for name in ("Zelenskyy", "Zelensky", "Zelenski", "Зеленский")}) == 1
    assert consonant_key("Lavrov") != consonant_key("Putin")


def test_retyped_punctuation_and_case_change_no_token() -> None:
    assert tokenize("“Don’t” — he SAID.") == tokenize('"don\'t" - he said')


def test_cjk_is_cut_into_characters() -> None:
    assert tokenize("中国和Russia") == ["中", "国", "和", "russia"]


def test_facts_are_numbers_and_names_inside_sentences() -> None:
    assert facts("Shares rose 1,500 points. The index of Tokyo fell.") == {"1500", "tokyo"}


def test_words_seen_in_lower_case_are_no_names() -> None:
    assert set(name_counts("He saw Green, and the green hill, and Smith.")) == {consonant_key("Smith")}


@given(st.lists(st.text(max_size=8)))
def test_the_hashes_of_a_text_are_sorted_and_distinct(strings: list[str]) -> None:
    tokens = tokenize(" ".join(strings))
    pairs, words = text_hashes(None, " ".join(strings))
    for values in (pairs, words):
        assert (np.diff(values.astype(np.int64)) > 0).all()
    assert len(words) <= len(set(tokens))
    assert len(pairs) <= max(1, len(tokens))


def test_one_word_is_its_own_shingle() -> None:
    assert hash_pairs(hash_tokens(["word"])).tolist() == hash_tokens(["word"]).tolist()


def test_a_pair_is_another_the_other_way_round() -> None:
    assert set(hash_pairs(hash_tokens(["a", "b", "c"])).tolist()).isdisjoint(
        hash_pairs(hash_tokens(["c", "b", "a"])).tolist()
    )


def test_vectors_keep_their_direction_as_bytes() -> None:
    vector = np.random.default_rng(1).normal(size=512).astype(np.float32)
    packed = quantize(vector)
    assert packed is not None
    back = np.frombuffer(packed, dtype=np.int8).astype(np.float32)
    cosine = float(back @ vector / np.linalg.norm(back) / np.linalg.norm(vector))
    assert cosine > 0.98


def test_a_vector_without_direction_is_none() -> None:
    assert quantize(np.zeros(512, dtype=np.float32)) is None
    assert quantize(np.full(512, np.nan, dtype=np.float32)) is None
