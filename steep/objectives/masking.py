"""Which tokens or words does a masked language model have to guess, and what does it see?"""

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.args.pretraining import Masking
from steep.data.words import has_unspaced, is_unspaced, words_in
from steep.errors import SteepError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEGINS, ANY = -1, 0  # a token that begins a word whatever comes before; one that fits anything
LETTER, NUMBER, OTHER, UNSPACED = 1, 2, 3, 4


@dataclass(frozen=True)
class Edges:
    """How the tokens of a vocabulary begin and end, int8 (vocabulary,) each.

    A token continues the word before it unless it `BEGINS` one, or the kinds of character (letter,
    number, other, of a script without blanks) that meet are known and differ.
    """

    first: np.ndarray
    last: np.ndarray


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


def word_starts(ids: np.ndarray, edges: Edges, special: np.ndarray) -> np.ndarray:
    """Which of the tokens `ids` (n,) begin a word, bool (n,).

    A special token (`special`, bool (vocabulary,)) is a word of its own; what follows it begins
    one, so a window that was cut inside a word begins with a word, too.
    """
    apart = special[ids]
    starts = np.ones(len(ids), bool)
    ends, begins = edges.last[ids[:-1]], edges.first[ids[1:]]
    differ = (ends != begins) & (ends != ANY) & (begins != ANY)
    starts[1:] = (begins == BEGINS) | differ | apart[:-1] | apart[1:]
    return starts


def edges(tokenizer: "PreTrainedTokenizerBase") -> Edges:
    """The edges of a tokenizer's tokens, so that `word_starts` finds its own pre-tokenizer's words.

    WordPiece marks what continues a word (`##`), SentencePiece what begins one (`▁`). Byte-level
    BPE marks a space before (`Ġ`); besides, its words are letters alone, digits alone or other
    characters alone (a token that is a part of a character of several bytes fits either side).
    Where no blanks part words (`steep.data.words`), a pre-tokenizer takes a sentence for one word:
    there every token begins a word, and so does what follows of another script. Raises SteepError
    for a tokenizer that marks its words in none of these ways.
    """
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    steps = {step["type"]: step for step in _flat(rules["pre_tokenizer"])}
    names = tokenizer.get_vocab()
    first, last = np.zeros((2, max(names.values()) + 1), np.int8)
    if rules["model"]["type"] == "WordPiece":
        prefix = rules["model"]["continuing_subword_prefix"]
        first[[i for name, i in names.items() if not name.startswith(prefix)]] = BEGINS
        texts = {i: name.removeprefix(prefix) for name, i in names.items()}
    elif "Metaspace" in steps:
        mark = steps["Metaspace"]["replacement"]
        first[[i for name, i in names.items() if name.startswith(mark)]] = BEGINS
        texts = {i: name.removeprefix(mark) for name, i in names.items()}
    elif "ByteLevel" in steps:
        decoder = tokenizer.backend_tokenizer.decoder
        texts = {i: decoder.decode([name]) for name, i in names.items()}
        for i, text in texts.items():
            first[i], last[i] = _kind(text[:1]), _kind(text[-1:])
        last[last == BEGINS] = ANY
    else:
        raise SteepError(
            f"{tokenizer.name_or_path}: its tokenizer does not mark where words begin, so whole "
            "words cannot be masked. Use --masking token."
        )
    _part_unspaced(first, last, texts)
    return Edges(first, last)


def _part_unspaced(first: np.ndarray, last: np.ndarray, texts: dict[int, str]) -> None:
    """Mark in `first` and `last` the edges of characters of scripts that write no blanks."""
    if not any(map(has_unspaced, texts.values())):
        return
    for i, text in texts.items():
        if is_unspaced(text):
            first[i] = BEGINS
        elif first[i] == ANY and text[:1].isalnum():  # after such a character, another word
            first[i] = LETTER
        if any(is_unspaced(word) and text.endswith(word) for word in words_in(text)[-1:]):
            last[i] = UNSPACED


def _flat(step: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A pre-tokenizer's steps, from its JSON form; several stand in a "Sequence"."""
    if step is None:
        return []
    return step["pretokenizers"] if step["type"] == "Sequence" else [step]


def _kind(character: str) -> int:
    """The kind of a character; ANY for a part of one, which a byte-level token may be."""
    if character.isspace():
        return BEGINS
    if character in ("", "\N{REPLACEMENT CHARACTER}"):
        return ANY
    return {"L": LETTER, "N": NUMBER}.get(unicodedata.category(character)[0], OTHER)
