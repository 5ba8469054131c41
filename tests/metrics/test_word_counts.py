"""The linear baseline learns every kind of task, and survives samples that lack classes."""

import random

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from steep.data.corpus import Task
from steep.data.words import words_in
from steep.errors import SteepError
from steep.metrics.word_counts import (
    C_GRID,
    Tfidf,
    _logistic,
    _vectorizer,
    fit_tfidf,
    fitted_classifier,
)
from tests.conftest import UNSPACED, written

WORDS = ("good", "bad", "odd")


def texts(rows: int, seed: int, classes: int = 3) -> tuple[list[str], np.ndarray]:
    """Noise words, and one word that tells the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    noise = random.choice([f"w{i}" for i in range(50)], (rows, 8))
    return [f"{' '.join(n)} {WORDS[y]}" for n, y in zip(noise, labels, strict=True)], labels


TRAIN, VALID, TEST = texts(120, 0), texts(60, 1), texts(100, 2)
SINGLE = Task("single", WORDS)


def test_single():
    model = fit_tfidf(TRAIN, VALID, SINGLE)
    p = model.predict(TEST[0])
    assert p.shape == (100, 3)
    assert np.allclose(p.sum(axis=1), 1)
    assert (p.argmax(axis=1) == TEST[1]).mean() > 0.95
    assert model.strength in C_GRID


def test_single_without_one_of_the_classes():
    for absent in range(3):
        keep = np.flatnonzero(TRAIN[1] != absent)
        model = fit_tfidf(([TRAIN[0][i] for i in keep], TRAIN[1][keep]), VALID, SINGLE)
        p, present = model.predict(TEST[0]), TEST[1] != absent
        assert (p[:, absent] == 0).all()
        assert (p.argmax(axis=1) == TEST[1])[present].mean() > 0.9


def test_few_rows_of_uneven_classes_are_told_apart():
    """A model of the same strength, weighted as the rows come, hardly leaves the commonest."""
    random = np.random.default_rng(0)
    labels = (random.random(140) < 0.3).astype(int)
    noise = random.choice([f"w{i}" for i in range(50)], (140, 8))
    texts = [f"{' '.join(n)} {WORDS[y]}" for n, y in zip(noise, labels, strict=True)]
    few, asked, rest = slice(20), slice(20, 40), slice(40, 140)
    model = fit_tfidf((texts[few], labels[few]), (texts[asked], labels[asked]), SINGLE)
    plain = _logistic(2, model.strength, 0).fit(model.vectorizer.transform(texts[few]), labels[few])
    right = plain.predict(model.vectorizer.transform(texts[rest])) == labels[rest]
    found = model.predict(texts[rest]).argmax(axis=1) == labels[rest]
    assert right.mean() + 0.1 < found.mean()


def test_of_equally_good_models_the_surer_is_kept():
    """All are right on these rows: a weaker regularisation has the lower log loss."""
    assert fit_tfidf(TRAIN, VALID, SINGLE).strength > C_GRID[0]


def test_one_class_only():
    model = fit_tfidf((["a", "b"], np.array([1, 1])), VALID, SINGLE)
    assert model.predict(["c"]).tolist() == [[0, 1, 0]]


def test_multi_with_labels_that_are_constant_in_training():
    task = Task("multi", ("good", "never", "always"))

    def columns(labels: np.ndarray) -> np.ndarray:
        return np.stack([labels == 0, labels < 0, labels >= 0], axis=1).astype(np.float32)

    model = fit_tfidf((TRAIN[0], columns(TRAIN[1])), (VALID[0], columns(VALID[1])), task)
    p = model.predict(TEST[0])
    assert ((p[:, 0] > 0.5) == (TEST[1] == 0)).mean() > 0.95
    assert (p[:, 1] == 0).all() and (p[:, 2] == 1).all()


def test_multi_whose_validation_has_no_auc():
    task = Task("multi", ("good",))
    labels = (TRAIN[1] == 0).astype(np.float32)[:, None]
    model = fit_tfidf((TRAIN[0], labels), (VALID[0], np.zeros((60, 1), np.float32)), task)
    assert model.predict(TEST[0]).shape == (100, 1)


def test_regression():
    task = Task("regression", ("stars",))
    model = fit_tfidf((TRAIN[0], TRAIN[1] * 2.0), (VALID[0], VALID[1] * 2.0), task)
    predictions = model.predict(TEST[0])
    assert predictions.shape == (100,)
    assert np.corrcoef(predictions, TEST[1])[0, 1] > 0.9


def test_the_validation_rows_choose():
    """Other validation labels, same training rows: another strength."""
    chosen = {fit_tfidf(TRAIN, (VALID[0], labels), SINGLE).strength for labels in _labellings()}
    assert len(chosen) > 1


def _labellings() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.permutation(VALID[1]) for _ in range(20)]


def test_repeatable():
    first, second = (fit_tfidf(TRAIN, VALID, SINGLE, seed=3) for _ in range(2))
    assert isinstance(first, Tfidf)
    assert (first.predict(TEST[0]) == second.predict(TEST[0])).all()


def test_no_words():
    with pytest.raises(SteepError, match="no words in the 2 training texts"):
        fit_tfidf((["", "!?"], np.array([0, 1])), VALID, SINGLE)


@pytest.mark.parametrize("language", UNSPACED)
def test_words_are_learnt_where_no_blanks_part_them(language: str):
    """Noise, and a word of two characters that tells the class."""
    draw, (a, b, c, *rest) = random.Random(0), words_in(UNSPACED[language])
    noise, labels, texts = sorted({*rest} - {a, b, c}), np.arange(120) % 2, []
    for label in labels:
        around = draw.choices(noise, k=12)
        around[6:6] = [a, b] if label else [a, c]
        texts.append(written(around))
    train, valid, test = slice(40), slice(40, 60), slice(60, 120)
    model = fit_tfidf(
        (texts[train], labels[train]), (texts[valid], labels[valid]), Task("single", ("no", "yes"))
    )
    assert (model.predict(texts[test]).argmax(axis=1) == labels[test]).mean() > 0.9


def test_terms_of_latin_text_are_those_of_the_pattern():
    text = "The film's ÜBER-ending, a v2_b in 3 of 10: Straße!"
    plain = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    assert _vectorizer(10).build_analyzer()(text) == plain.build_analyzer()(text)


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 5))


def test_a_classifier_has_a_column_for_every_class_also_without_rows() -> None:
    labels = np.array([2, 0, 2, 0] * 10)
    model = LogisticRegression()
    weights = np.where(labels == 2, 3.0, 1.0)
    found = fitted_classifier(model, X[:40], labels, 4, weights)(X[40:60])
    assert found.shape == (20, 4)
    assert (found[:, [1, 3]] == 0).all()
    expected = LogisticRegression().fit(X[:40], labels, weights).predict_proba(X[40:60])
    assert (found[:, [0, 2]] == expected).all()
    plain = fitted_classifier(LogisticRegression(), X[:40], labels, 4)(X[40:60])
    assert (plain[:, 2] < found[:, 2]).all(), "its rows count three times with the weights"


def test_labels_of_two_classes_may_be_bools_and_features_sparse() -> None:
    labels = X[:, 0] > 0
    found = fitted_classifier(LogisticRegression(), csr_matrix(X), labels, 2)(csr_matrix(X[:9]))
    assert (found.argmax(axis=1) == labels[:9]).mean() > 0.9
    alone = fitted_classifier(LogisticRegression(), csr_matrix(X), labels | True, 2)
    assert alone(csr_matrix(X[:9])).tolist() == [[0.0, 1.0]] * 9
