"""Does `steep select` find what is similar to the task, by TF-IDF and by a checkpoint?"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from steep.data.corpus import Corpus
from steep.data.words import words_in
from steep.errors import SteepError
from steep.shelf.select import select
from steep.shelf.select.select import compared_terms, find_neighbours, tfidf_vectors
from tests.conftest import UNSPACED, unspaced_text, written

Steep = Callable[..., Any]


@pytest.fixture
def pile(tables: Path, tmp_path: Path) -> Path:
    """Texts of the task itself, shortened, among others that share no word with it."""
    own = pd.read_csv(tables / "single.csv")["text"].str.split().str[1:].str.join(" ")
    path = tmp_path / "pile.txt"
    strange = [f"xylophone quartz {i} vex" for i in range(300)]
    path.write_text("\n".join([*own[:60], *strange]), encoding="utf-8")
    return path


@pytest.mark.parametrize("by", ["tfidf", "encoder"])
def test_what_is_similar_to_the_task_is_selected(
    steep: Steep, tables: Path, pile: Path, tiny_bert: Path, tiny: str, by: str, tmp_path: Path
) -> None:
    out, task = tmp_path / "chosen", tables / "single.csv"
    how = ("--neighbours 2 --unit line --by", by, "--model", tiny_bert, "--max-length 32")
    shown = steep("select", pile, "--near", task, *how, "--out", out)
    lines = [json.loads(line) for line in (out / "selected.jsonl").read_text().splitlines()]
    results = json.loads((out / "results.json").read_text())
    assert results["selected"] == len(lines) > 10
    strange = sum("xylophone" in line["text"] for line in lines)  # of the pile, 5 of 6
    assert strange == 0 if by == "tfidf" else strange < 0.2 * len(lines), "an untrained encoder"
    assert all(0 < line["similarity"] <= 1.0001 for line in lines)
    order = pile.read_text().splitlines()
    places = [order.index(line["text"]) for line in lines]
    assert places == sorted(places), "in the order of the pile"
    assert f"{len(lines)} of 360 texts are selected, 2 for each of " in shown.stderr
    assert results["examples"][0][0] in shown.stderr
    steep(
        "adapt", task, out / "selected.jsonl", "--model", tiny_bert, tiny, "--out", tmp_path / "a"
    )


def test_neighbours_are_different_texts(steep: Steep, tables: Path, tmp_path: Path) -> None:
    """Seven copies of one text would be all the neighbours of a row that is like it."""
    task, pile, out = tables / "single.csv", tmp_path / "pile.txt", tmp_path / "chosen"
    own = pd.read_csv(task)["text"].tolist()[:6]
    others = [f"{text} indeed" for text in own[1:]]
    pile.write_text("\n".join([f"{own[0]} indeed"] * 7 + others), encoding="utf-8")
    shown = steep("select", pile, "--near", task, "--neighbours 5 --unit line --out", out)
    lines = [json.loads(line)["text"] for line in (out / "selected.jsonl").read_text().splitlines()]
    assert sorted(lines) == sorted({f"{own[0]} indeed", *others})
    assert "6 texts of the pile repeat another, and are left out" in shown.stderr


def test_what_it_needs_is_said(steep: Steep, tables: Path, pile: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "no")
    assert "--near" in steep("select", pile, *out, code=2).output
    near = ("--near", tables / "single.csv")
    assert "--model" in steep("select", pile, *near, "--by encoder", *out, code=2).output
    missing = ("--near", tmp_path / "none.csv")
    assert "none.csv" in steep("select", pile, *missing, *out, code=2).output
    assert not (tmp_path / "no").exists()


RANDOM = np.random.default_rng(0)
WORDS = np.array([f"word{i}" for i in range(40)])


def corpus(texts: list[str]) -> Corpus:
    table = datasets.Dataset.from_dict({"row": range(len(texts)), "text": texts})
    return Corpus(table, "memory")


def texts(count: int) -> list[str]:
    return [" ".join(RANDOM.choice(WORDS, RANDOM.integers(3, 9))) for _ in range(count)]


def test_chunk_by_chunk_is_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, pile = texts(7), texts(95)
    monkeypatch.setattr(select, "CHUNK", 10)
    vectors = tfidf_vectors(corpus(queries), corpus(pile), seed=0)
    *_, found = find_neighbours(corpus(queries), corpus(pile), 12, vectors)
    plain = TfidfVectorizer(sublinear_tf=True).fit([*queries, *pile])
    similar = (plain.transform(queries) @ plain.transform(pile).T).toarray()
    best = -np.sort(-similar, axis=1)[:, :12]
    np.testing.assert_allclose(found.similarity, best, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(similar, found.positions, 1), best, atol=1e-5)
    assert found.selected.tolist() == sorted({*found.positions.ravel().tolist()})
    assert all(len(set(row)) == 12 for row in found.positions.tolist())


def test_a_pile_smaller_than_what_is_asked_for_is_taken_whole() -> None:
    queries, pile = corpus(texts(3)), corpus(texts(5))
    *_, found = find_neighbours(queries, pile, 50, tfidf_vectors(queries, pile, seed=0))
    assert found.selected.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("language", UNSPACED)
def test_the_nearest_text_is_found_where_no_blanks_part_words(language: str) -> None:
    draw = random.Random(0)
    pile = [unspaced_text(language, 40, draw) for _ in range(40)]
    parts = [written(words_in(text)[10:30]) for text in pile[:15]]
    queries, texts = corpus(parts), corpus(pile)
    *_, nearest = find_neighbours(queries, texts, 1, tfidf_vectors(queries, texts, seed=0))
    assert nearest.positions[:, 0].tolist() == list(range(15))
    assert (nearest.similarity > 0.5).all()


def test_terms_of_latin_text_are_those_of_scikit_learn() -> None:
    text = "The film's ÜBER-ending, a v2_b in 3 of 10: Straße!"
    assert compared_terms(text) == TfidfVectorizer().build_analyzer()(text)
    assert compared_terms("第3章 Ab") == ["第", "章", "ab"]
    assert compared_terms("很好看") == ["很", "好", "看", "很好", "好看"]


def test_texts_without_words_are_refused() -> None:
    signs = corpus(["😀 !", "a b"])
    with pytest.raises(SteepError, match="no text holds a word of two letters"):
        tfidf_vectors(signs, signs, seed=0)
