"""Which tokens does a masked language model have to guess, and what does it see in their place?"""

from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from steep.errors import SteepError

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stay as they are (Devlin et al. 2019)


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know of a tokenizer.

    `words` int64 (m,): ids that a random replacement may be; no special and no unused token.
    `special` bool (vocabulary,): tokens that are never chosen.
    """

    mask: int
    words: np.ndarray
    special: np.ndarray


def vocabulary(tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
    """The vocabulary of a tokenizer; SteepError if it has no mask token."""
    if tokenizer.mask_token_id is None:
        raise SteepError(
            f"{tokenizer.name_or_path}: its tokenizer has no mask token, so no masked language "
            "model can be trained with it. Choose a BERT-like checkpoint."
        )
    names = tokenizer.get_vocab()
    special = np.zeros(max(names.values()) + 1, bool)
    special[tokenizer.all_special_ids] = True
    unused = [i for name, i in names.items() if name.startswith("[unused")]
    words = np.setdiff1d(np.fromiter(names.values(), np.int64), [*np.flatnonzero(special), *unused])
    return Vocabulary(tokenizer.mask_token_id, words, special)


def mask_tokens(
    ids: np.ndarray, share: float, words: Vocabulary, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide a share of the tokens: 80 % as the mask token, 10 % as a random word, 10 % as they are.

    `ids` int (n,): tokens of several windows, end to end, padding left out. Returns the ids as the
    model sees them, int (n,), and the positions to predict, int64 (m,), ascending. Exactly the
    share of the maskable tokens is chosen, rounded, and at least one where there is any.
    Source: Devlin et al. 2019, section 3.1, task 1.
    """
    candidates = np.flatnonzero(~words.special[ids])
    count = min(len(candidates), max(1, round(share * len(candidates))))
    chosen = np.sort(random.choice(candidates, count, replace=False))
    fate = random.random(count)
    hidden = ids.copy()
    hidden[chosen[fate < MASKED]] = words.mask
    swap = chosen[(fate >= MASKED) & (fate < MASKED + RANDOM)]
    hidden[swap] = random.choice(words.words, len(swap))
    return hidden, chosen
