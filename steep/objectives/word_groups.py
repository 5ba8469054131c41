"""Where do words begin in an array of token ids? Read off a tokenizer, once a vocabulary."""

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
