"""How well does a tokenizer's vocabulary fit a text?"""

import re
from collections import Counter
from typing import TYPE_CHECKING

from steep.data.corpus import Corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORD = re.compile(r"\w+")
FREQUENT = 10_000  # words that are looked up


def vocabulary_fit(
    corpus: Corpus, tokenizer: "PreTrainedTokenizerBase", tokens: int
) -> dict[str, float]:
    """Fertility, and how many of the frequent words are one token.

    {"tokens_a_word", "words" (different ones, at most `FREQUENT`), "whole" (share of them that are
    one token)}; `tokens` are those of the whole corpus. Punctuation counts as tokens, too.
    """
    counts: Counter[str] = Counter()
    for texts in corpus.texts():
        for text in texts:
            counts.update(WORD.findall(text))
    frequent = [word for word, _ in counts.most_common(FREQUENT)]
    pieces = tokenizer([f" {word}" for word in frequent], add_special_tokens=False)["input_ids"]
    whole = sum(len(ids) == 1 for ids in pieces)
    return {
        "tokens_a_word": round(tokens / max(counts.total(), 1), 3),
        "words": len(frequent),
        "whole": round(whole / max(len(frequent), 1), 3),
    }
