"""Are the words found that the tokenizer's own pre-tokenizer makes, for each kind of tokenizer?"""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from steep.errors import SteepError
from steep.objectives.masking import vocabulary, word_starts
from tests.objectives.conftest import SPECIAL, wrapped


def both(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[bool], list[bool]]:
    """Where words begin: as found, and as the tokenizer says of this text."""
    encoded = tokenizer(text)
    words = vocabulary(tokenizer, "word")
    assert words.edges is not None
    found = word_starts(np.array(encoded["input_ids"]), words.edges, words.special)
    own = [object() if number is None else number for number in encoded.word_ids()]
    return found.tolist(), [True, *(a != b for a, b in zip(own, own[1:], strict=False))]


def test_words_begin_where_the_tokenizer_says(
    trained: PreTrainedTokenizerBase, lines: list[str]
) -> None:
    for line in lines:
        found, own = both(trained, line)
        assert not (np.array(found) & ~np.array(own)).any(), "no word is ever cut"
        parts = trained.backend_tokenizer.decoder is not None and not line.isascii()
        assert parts or found == own, line  # parts of a sign of several bytes go with the next word
        assert 0.1 < np.mean(own) < 0.9, "there must be words of several tokens"


def test_words_of_a_real_checkpoint(minilm: str, lines: list[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    for line in lines:
        found, own = both(tokenizer, line)
        assert found == own


def test_a_window_that_begins_inside_a_word_begins_with_a_word(
    trained: PreTrainedTokenizerBase, lines: list[str]
) -> None:
    words = vocabulary(trained, "word")
    assert words.edges is not None
    whole = np.array(trained(lines[0], add_special_tokens=False)["input_ids"])
    starts = word_starts(whole, words.edges, words.special)
    inside = int(np.flatnonzero(~starts)[0])
    cls, sep = trained.cls_token_id, trained.sep_token_id
    window = np.concatenate([[cls], whole[inside:], [sep]])
    found = word_starts(window, words.edges, words.special)
    assert found[:2].all()
    assert found[-1]
    assert found[2:-1].tolist() == starts[inside + 1 :].tolist()


def test_a_tokenizer_that_marks_no_words_is_refused_for_words_alone() -> None:
    letters = Tokenizer(models.WordLevel({"[UNK]": 0, "[MASK]": 1, "a": 2}, "[UNK]"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters, unk_token="[UNK]", mask_token="[MASK]"
    )
    assert vocabulary(tokenizer).edges is None
    for masking in ("word", "span"):
        with pytest.raises(SteepError, match="does not mark where words begin.*--masking token"):
            vocabulary(tokenizer, masking)


WITHOUT_BLANKS = ["▁我", "喜欢", "手机", "Pad", "abc", "▁abc", "。", "ไทย", "ก", "ั", "▁"]
EXPECTED = [
    ("我喜欢手机Pad。abc ไทยกักabc", "▁我|喜欢|手机|Pad 。 abc|▁|ไทย|ก ั|ก|abc"),
    ("abcabc abc", "▁abc abc|▁abc"),
]


@pytest.mark.parametrize(("text", "expected"), EXPECTED)
def test_every_token_is_a_word_where_no_blanks_part_them(text: str, expected: str) -> None:
    names = [*SPECIAL, *WITHOUT_BLANKS]
    pieces = Tokenizer(models.Unigram([(name, -3.0) for name in names], 1))
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer = wrapped(pieces)
    ids = np.array(tokenizer(text, add_special_tokens=False)["input_ids"])
    words = vocabulary(tokenizer, "word")
    assert words.edges is not None
    starts = word_starts(ids, words.edges, words.special)
    tokens = tokenizer.convert_ids_to_tokens(ids)
    marked = [f"|{n}" if s else f" {n}" for n, s in zip(tokens, starts, strict=True)]
    assert "".join(marked)[1:] == expected
