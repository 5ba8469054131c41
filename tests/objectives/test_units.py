"""Are whole words and spans hidden whole, at the share asked for, and as their papers say?"""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare
from transformers import PreTrainedTokenizerBase

from steep.objectives.masking import (
    LONGEST_SPAN,
    SPAN_RATE,
    Edges,
    Vocabulary,
    mask,
    vocabulary,
    word_starts,
)

UNITS = pytest.mark.parametrize("masking", ["word", "span"])
MASK, SEP = 1, 0
WORDS = np.arange(2, 20_000)  # so many that a random word is hardly ever the true one


def numbered_words(pieces: int = 3) -> Vocabulary:
    """A vocabulary of which every `pieces`-th token begins a word."""
    first = np.zeros(20_000, np.int8)
    first[::pieces] = -1
    return Vocabulary(MASK, WORDS, np.arange(20_000) < 2, Edges(first, np.zeros_like(first)))


def documents(length: int, count: int, pieces: int = 3) -> np.ndarray:
    """Windows of `length` words of `pieces` tokens each, parted by special tokens."""
    draw = np.random.default_rng(1)
    begin = draw.integers(2, 19_000 // pieces, (count, length, 1)) * pieces
    words = (begin + np.arange(pieces)).reshape(count, -1)
    return np.pad(words, ((0, 0), (0, 1)), constant_values=SEP).ravel()


@UNITS
@pytest.mark.parametrize("share", [0.02, 0.15, 0.5, 0.9])
def test_a_word_is_hidden_whole_or_not_at_all(
    trained: PreTrainedTokenizerBase, lines: list[str], masking: str, share: float
) -> None:
    words = vocabulary(trained, masking)
    assert words.edges is not None
    ids = np.concatenate(trained(lines)["input_ids"])
    word = np.cumsum(word_starts(ids, words.edges, words.special))
    for seed in range(20):
        hidden, chosen = mask(ids, share, masking, words, np.random.default_rng(seed))
        assert not np.isin(word[np.setdiff1d(np.arange(len(ids)), chosen)], word[chosen]).any()
        assert not words.special[ids[chosen]].any()
        assert (np.diff(chosen) > 0).all()
        untouched = np.setdiff1d(np.arange(len(ids)), chosen)
        assert (hidden[untouched] == ids[untouched]).all()
        drawn = hidden[chosen]
        assert not words.special[drawn[drawn != words.mask]].any()


@UNITS
@pytest.mark.parametrize("share", [0.05, 0.15, 0.4])
def test_the_share_is_kept_to_the_token(
    trained: PreTrainedTokenizerBase, lines: list[str], masking: str, share: float
) -> None:
    words = vocabulary(trained, masking)
    ids = np.concatenate(trained(lines * 4)["input_ids"])
    _, chosen = mask(ids, share, masking, words, np.random.default_rng(0))
    assert len(chosen) == round(share * int((~words.special[ids]).sum()))


@UNITS
def test_the_share_is_never_exceeded_by_words_that_do_not_fit(masking: str) -> None:
    words, ids = numbered_words(7), documents(40, 3, 7)
    _, chosen = mask(ids, 0.15, masking, words, np.random.default_rng(0))
    assert len(chosen) == 0.15 * 840 // 7 * 7


@UNITS
def test_one_unit_at_least_is_hidden_where_there_is_any(masking: str) -> None:
    words = numbered_words()
    hidden, chosen = mask(
        np.array([SEP, 3, 4, 5, SEP]), 0.15, masking, words, np.random.default_rng(0)
    )
    assert chosen.tolist() == [1, 2, 3]
    hidden, chosen = mask(np.array([SEP, SEP]), 0.15, masking, words, np.random.default_rng(0))
    assert (hidden.tolist(), chosen.tolist()) == ([SEP, SEP], [])


@UNITS
def test_of_the_chosen_80_10_10_are_masked_random_and_kept(masking: str) -> None:
    words, ids = numbered_words(), documents(120, 600)
    hidden, chosen = mask(ids, 0.15, masking, words, np.random.default_rng(0))
    fates = fate_of(ids, hidden, chosen)
    if masking == "span":  # the spans are the draws
        begins = np.flatnonzero(np.diff(chosen, prepend=-2) > 1)
        fates = fates[begins]
    for number, share in enumerate((0.8, 0.1, 0.1)):
        count = int((fates == number).sum())
        assert binomtest(count, len(fates), share).pvalue > 1e-3


def fate_of(ids: np.ndarray, hidden: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """0 masked, 1 random, 2 as it was."""
    seen, truth = hidden[chosen], ids[chosen]
    return np.where(seen == MASK, 0, np.where(seen != truth, 1, 2))


def test_the_tokens_of_a_word_have_fates_of_their_own() -> None:
    words, ids = numbered_words(), documents(100, 50)
    hidden, chosen = mask(ids, 0.15, "word", words, np.random.default_rng(0))
    fates = fate_of(ids, hidden, chosen).reshape(-1, 3)
    mixed = (fates.min(1) != fates.max(1)).mean()
    assert mixed == pytest.approx(1 - (0.8**3 + 2 * 0.1**3), abs=0.05)


def test_the_tokens_of_a_span_share_their_fate() -> None:
    words, ids = numbered_words(), documents(100, 50)
    hidden, chosen = mask(ids, 0.03, "span", words, np.random.default_rng(0))
    fates = fate_of(ids, hidden, chosen)
    parts = np.split(fates, np.flatnonzero(np.diff(chosen) > 1) + 1)
    mixed = np.mean([part.min() != part.max() for part in parts])
    assert mixed < 0.05  # two spans may lie side by side


def test_span_lengths_are_geometric_and_clipped() -> None:
    words, ids = numbered_words(1), documents(5000, 4, 1)
    counts = np.zeros(LONGEST_SPAN + 1)
    for seed in range(60):
        _, chosen = mask(ids, 0.01, "span", words, np.random.default_rng(seed))
        parts = np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1)
        lengths = np.array([len(part) for part in parts])
        counts += np.bincount(lengths[lengths <= LONGEST_SPAN], minlength=LONGEST_SPAN + 1)
    share = (1 - SPAN_RATE) ** np.arange(LONGEST_SPAN)
    expected = counts.sum() * share / share.sum()
    assert (counts[1:] * np.arange(1, 11)).sum() / counts.sum() == pytest.approx(3.8, abs=0.15)
    assert chisquare(counts[1:], expected).pvalue > 1e-4


def test_spans_never_run_over_a_special_token() -> None:
    words, ids = numbered_words(1), documents(4, 500, 1)
    _, chosen = mask(ids, 0.5, "span", words, np.random.default_rng(0))
    assert not (ids[chosen] == SEP).any()
    assert len(chosen) == 1000


@UNITS
def test_every_word_is_as_likely_to_be_hidden(masking: str) -> None:
    words, ids = numbered_words(1), documents(20, 200, 1)
    hits = np.zeros(21)
    for seed in range(50):
        _, chosen = mask(ids, 0.15, masking, words, np.random.default_rng(seed))
        hits += np.bincount(chosen % 21, minlength=21)
    share = hits[:20] / hits.sum()
    assert share.min() > 0.9 / 20
    assert share.max() < 1.1 / 20


@UNITS
def test_masks_follow_from_the_seed(masking: str) -> None:
    words, ids = numbered_words(), documents(30, 5)

    def drawn(seed: int) -> list[list[int]]:
        return [a.tolist() for a in mask(ids, 0.2, masking, words, np.random.default_rng(seed))]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
