"""Is masking what Devlin et al. say, and does it leave special tokens alone?"""

import string

import numpy as np
import pytest
from scipy.stats import binomtest
from transformers import (
    AlbertTokenizerFast,
    BertTokenizerFast,
    PreTrainedTokenizerBase,
    RobertaTokenizerFast,
    T5TokenizerFast,
    XLMRobertaTokenizerFast,
)

from steep.errors import SteepError
from steep.objectives.masking import Vocabulary, mask_tokens, vocabulary

LETTERS = string.ascii_lowercase
UNUSED = [f"[unused{number}]" for number in range(10)]


def numbered(names: list[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def pieces(special: list[str]) -> list[tuple[str, float]]:
    named = [(name, 0.0) for name in special]
    return named + [(x, -3.0) for x in LETTERS] + [("▁" + x, -2.0) for x in LETTERS]


def word_piece() -> PreTrainedTokenizerBase:
    special = ["[PAD]", *UNUSED, "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizerFast(vocab=numbered([*special, *LETTERS, *(f"##{x}" for x in LETTERS)]))


def byte_pair() -> PreTrainedTokenizerBase:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = numbered([*special, "Ġ", *LETTERS, *(f"Ġ{x}" for x in LETTERS)])
    return RobertaTokenizerFast(vocab=vocabulary, merges=[("Ġ", x) for x in LETTERS])


def xlm_roberta() -> PreTrainedTokenizerBase:
    vocabulary = [*pieces(["<s>", "<pad>", "</s>", "<unk>"]), ("<mask>", 0.0)]
    return XLMRobertaTokenizerFast(vocab=vocabulary)


def albert() -> PreTrainedTokenizerBase:
    return AlbertTokenizerFast(vocab=pieces(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]))


MAKERS = [word_piece, byte_pair, xlm_roberta, albert]


def text(tokenizer: PreTrainedTokenizerBase, windows: int = 400) -> np.ndarray:
    """Framed windows of random letters and unknown signs, end to end."""
    draw = np.random.default_rng(0)
    lines = [" ".join(draw.choice([*LETTERS, "é"], 30)) for _ in range(windows)]
    return np.concatenate(tokenizer(lines)["input_ids"])


@pytest.fixture(params=MAKERS, ids=[make.__name__ for make in MAKERS])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    return request.param()


def test_the_vocabulary_knows_words_from_special_and_unused(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    words = vocabulary(tokenizer)
    assert words.mask == tokenizer.mask_token_id
    assert np.flatnonzero(words.special).tolist() == sorted(tokenizer.all_special_ids)
    names = {tokenizer.convert_ids_to_tokens(int(number)) for number in words.words}
    left_out = {*tokenizer.get_vocab()} - names
    assert left_out == {*tokenizer.all_special_tokens} | ({*UNUSED} & {*tokenizer.get_vocab()})


def test_special_tokens_are_never_chosen(tokenizer: PreTrainedTokenizerBase) -> None:
    ids, words = text(tokenizer), vocabulary(tokenizer)
    hidden, chosen = mask_tokens(ids, 0.9, words, np.random.default_rng(0))
    assert not {*ids[chosen].tolist()} & {*tokenizer.all_special_ids}
    untouched = np.setdiff1d(np.arange(len(ids)), chosen)
    assert (hidden[untouched] == ids[untouched]).all()


@pytest.mark.parametrize("share", [0.01, 0.15, 0.4, 0.9])
def test_exactly_the_share_is_chosen(tokenizer: PreTrainedTokenizerBase, share: float) -> None:
    ids, words = text(tokenizer, 40), vocabulary(tokenizer)
    _, chosen = mask_tokens(ids, share, words, np.random.default_rng(0))
    maskable = sum(number not in tokenizer.all_special_ids for number in ids.tolist())
    assert len(chosen) == round(share * maskable)
    assert (np.diff(chosen) > 0).all()


def test_at_least_one_is_chosen_where_there_is_any() -> None:
    words = vocabulary(word_piece())
    a, cls = int(words.words[0]), int(np.flatnonzero(words.special)[-1])
    assert mask_tokens(np.array([cls, a]), 0.15, words, np.random.default_rng(0))[1].tolist() == [1]
    hidden, chosen = mask_tokens(np.array([cls, cls]), 0.15, words, np.random.default_rng(0))
    assert (hidden.tolist(), chosen.tolist()) == ([cls, cls], [])


def test_of_the_chosen_80_10_10_are_masked_random_and_kept() -> None:
    many = np.arange(1000, 31000)  # so many words that a random one is hardly ever the true one
    words = Vocabulary(mask=4, words=many, special=np.arange(31000) < 1000)
    ids = np.random.default_rng(1).choice(many, 200_000)
    hidden, chosen = mask_tokens(ids, 0.15, words, np.random.default_rng(0))
    seen, truth = hidden[chosen], ids[chosen]
    masked, kept = int((seen == 4).sum()), int((seen == truth).sum())
    swapped = len(chosen) - masked - kept
    for count, share in ((masked, 0.8), (swapped, 0.1), (kept, 0.1)):
        assert binomtest(count, len(chosen), share).pvalue > 1e-3


def test_chosen_positions_are_spread_evenly() -> None:
    words = Vocabulary(mask=4, words=np.arange(5, 30), special=np.arange(30) < 5)
    ids = np.full(100_000, 7)
    _, chosen = mask_tokens(ids, 0.2, words, np.random.default_rng(0))
    tenths = np.histogram(chosen, 10, (0, len(ids)))[0]
    assert binomtest(int(tenths.min()), len(chosen), 0.1).pvalue > 1e-4
    assert binomtest(int(tenths.max()), len(chosen), 0.1).pvalue > 1e-4


def test_random_replacements_are_words_of_every_kind(tokenizer: PreTrainedTokenizerBase) -> None:
    ids, words = text(tokenizer), vocabulary(tokenizer)
    hidden, chosen = mask_tokens(ids, 0.9, words, np.random.default_rng(0))
    swapped = chosen[(hidden[chosen] != ids[chosen]) & (hidden[chosen] != words.mask)]
    drawn = {tokenizer.convert_ids_to_tokens(int(number)) for number in hidden[swapped]}
    assert not drawn & {*tokenizer.all_special_tokens, *UNUSED}
    assert len(drawn) == len(words.words), "every word may be drawn"


def test_masks_follow_from_the_seed() -> None:
    tokenizer = word_piece()
    ids, words = text(tokenizer, 20), vocabulary(tokenizer)

    def masks(seed: int) -> list[list[int]]:
        before = ids.copy()
        drawn = mask_tokens(ids, 0.15, words, np.random.default_rng(seed))
        assert (ids == before).all(), "the text itself is left alone"
        return [array.tolist() for array in drawn]

    assert masks(3) == masks(3)
    assert masks(3) != masks(4)


def test_a_tokenizer_without_mask_token_is_refused() -> None:
    unigrams = pieces(["<pad>", "</s>", "<unk>"])
    with pytest.raises(SteepError, match="no mask token"):
        vocabulary(T5TokenizerFast(vocab=unigrams, extra_ids=0))
