"""Which tokens does a masked language model have to guess, and what does it see in their place?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steep.args.pretraining import Masking
from steep.errors import SteepError
from steep.objectives.word_groups import Edges, edges, word_starts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stay unchanged (Devlin et al. 2019)
SPAN_RATE, LONGEST_SPAN = 0.2, 10  # of the geometric lengths of spans (Joshi et al. 2020)


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know of a tokenizer.

    `words` int64 (m,): ids that a random replacement may be; no special and no unused token.
    `special` bool (vocabulary,): tokens that are never chosen. `edges`: where words begin, which
    whole words and spans need.
    """

    mask: int
    words: np.ndarray
    special: np.ndarray
    edges: Edges | None = None


def vocabulary(tokenizer: "PreTrainedTokenizerBase", masking: Masking = "token") -> Vocabulary:
    """The vocabulary of a tokenizer; SteepError if it cannot be masked in this way."""
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
    known = None if masking == "token" else edges(tokenizer)
    return Vocabulary(tokenizer.mask_token_id, words, special, known)


def mask(
    ids: np.ndarray, share: float, masking: Masking, words: Vocabulary, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide a share of the tokens: 80 % as the mask token, 10 % as a random word, 10 % as they are.

    `ids` int (n,): tokens of several windows, end to end, padding left out. Returns the ids as the
    model sees them, int (n,), and the positions to predict, int64 (m,), ascending. The share of
    the maskable tokens is chosen, rounded, and at least one where there is any: exactly with
    `masking` "token", and else as nearly as whole words allow, never above it.
    """
    if masking == "token":
        return mask_tokens(ids, share, words, random)
    return (mask_words if masking == "word" else mask_spans)(ids, share, words, random)


def mask_tokens(
    ids: np.ndarray, share: float, words: Vocabulary, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Single tokens. Source: Devlin et al. 2019, section 3.1, task 1."""
    candidates = np.flatnonzero(~words.special[ids])
    count = min(len(candidates), max(1, round(share * len(candidates))))
    chosen = np.sort(random.choice(candidates, count, replace=False))
    return _hide(ids, chosen, random.random(count), words, random), chosen


def mask_words(
    ids: np.ndarray, share: float, words: Vocabulary, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Whole words; what each token becomes is drawn token by token.

    Source: `create_masked_lm_predictions` of google-research/bert, with do_whole_word_mask.
    """
    assert words.edges is not None
    starts = word_starts(ids, words.edges, words.special)
    chosen, _ = _choose(starts, ~words.special[ids], share, random)
    return _hide(ids, chosen, random.random(len(chosen)), words, random), chosen


def mask_spans(
    ids: np.ndarray, share: float, words: Vocabulary, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Spans of whole words, geometric in length; all tokens of a span share one fate.

    Source: Joshi et al. 2020 (SpanBERT), section 3.1. The text is cut into spans anew each time,
    and spans are chosen at random; so they never overlap, and every word is as likely to be hidden.
    """
    assert words.edges is not None
    special = words.special[ids]
    begins = np.flatnonzero(word_starts(ids, words.edges, words.special))
    starts = np.zeros(len(ids), bool)
    starts[begins[_span_starts(special[begins], random)]] = True
    chosen, span = _choose(starts, ~special, share, random)
    fate = random.random(len(ids))[span]
    return _hide(ids, chosen, fate, words, random), chosen


def _span_starts(special: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Which words begin a span, bool (n,), given which are `special`: those part the spans.

    Lengths are 1 to `LONGEST_SPAN` with probabilities p(1 - p)^(k - 1), scaled to sum to 1 as in
    SpanBERT's code: 3.8 words in the mean. The last span before a special token may be shorter.
    """
    borders = np.concatenate([[-1], np.flatnonzero(special), [len(special)]])
    room = np.diff(borders) - 1  # words between two special tokens
    first, room = borders[:-1][room > 0] + 1, room[room > 0]
    lengths = np.arange(1, LONGEST_SPAN + 1)
    weights = (1 - SPAN_RATE) ** lengths
    most = int(room.max(initial=0))
    drawn = random.choice(lengths, (len(room), most), p=weights / weights.sum())
    ends = drawn.cumsum(1)
    starts = special.copy()
    starts[first] = True
    starts[(first[:, None] + ends)[ends < room[:, None]]] = True
    return starts


def _choose(
    starts: np.ndarray, maskable: np.ndarray, share: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Units drawn at random until the share of the tokens is reached; what is too long is skipped.

    `starts` and `maskable` bool (n,): where units begin, and which tokens they may be; a unit is
    maskable whole or not at all. Returns the chosen tokens, int64 (m,), ascending, and the number
    of the unit that each belongs to, int64 (m,).
    """
    unit = np.cumsum(starts) - 1
    sizes = np.bincount(unit[maskable], minlength=unit[-1] + 1)
    order = random.permutation(np.flatnonzero(sizes))
    sizes = sizes[order]
    left = max(1, round(share * int(maskable.sum())))
    kept = np.cumsum(sizes) <= left
    left -= int(sizes[kept].sum())
    while (fits := np.flatnonzero(~kept & (sizes <= left))).size:
        kept[fits[0]] = True
        left -= int(sizes[fits[0]])
    kept[:1] |= not kept.any()  # one unit at least, even if it is longer than the share
    chosen = np.flatnonzero(np.isin(unit, order[kept]))
    return chosen, unit[chosen]


def _hide(
    ids: np.ndarray,
    chosen: np.ndarray,
    fate: np.ndarray,
    words: Vocabulary,
    random: np.random.Generator,
) -> np.ndarray:
    """The ids as the model sees them; `fate` (m,), uniform in [0, 1), says what it sees."""
    hidden = ids.copy()
    hidden[chosen[fate < MASKED]] = words.mask
    swap = chosen[(fate >= MASKED) & (fate < MASKED + RANDOM)]
    hidden[swap] = random.choice(words.words, len(swap))
    return hidden
