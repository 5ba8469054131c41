"""What is a word, in any script, and what is a sentence?

Where blanks part words, a word is letters and digits in a row: what `\\w+` finds, with the marks
that belong to its letters, combining (`हिन्दी` is one word, and so is `café` of five code points)
and joiners. Some scripts write no blanks between words: Chinese, Japanese, Thai, Lao, Khmer,
Burmese and others. To part those takes a dictionary, and dictionaries disagree; so every character
is a word, with its marks, as Unicode Standard Annex 29 has it. Single characters, not pairs, since
who wants longer units joins neighbours anyway (pairs in tf-idf, runs of three in the search for
copies), and since a character that was changed then spoils the fewest.

The plain words of a text are those that equal copies of it have, however it is written: without
case, punctuation, white space (`&nbsp;` too), HTML entities and tags, characters of no width, soft
hyphens and forms of a character (Unicode's NFKC: `ﬁ`, full width).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from html import unescape
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from steep.console import track
from steep.data.cache_files import Facts, kept_table, key_of
from steep.data.corpus import Corpus

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from transformers import PreTrainedTokenizerBase

TAG = re.compile(r"</?[A-Za-z][^<>]*>")
# Soft hyphen, joiners, marks of direction and of byte order, variation selectors.
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
ESCAPED = 2  # times that entities may have been escaped: "&amp;nbsp;"
BETWEEN = re.compile(r"(?<!\d) | (?!\d)")  # a blank that does not part two numbers

Document = tuple[str, ...]  # a text, or the two of a pair
Words = tuple[list[str], ...]  # of each of these texts

# Between letters of these blocks a line may end without a blank: the classes ID, CJ, SA and AK of
# Unicode Standard Annex 14.
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x3005, 0x3029),  # signs of repetition, old numerals
    (0x3031, 0x31FF),  # Japanese syllables, Bopomofo
    (0x3400, 0x4DBF),  # Chinese characters
    (0x4E00, 0xA4CF),  # Chinese characters, Yi
    (0xA980, 0xA9FF),  # Javanese, Burmese
    (0xAA60, 0xAADF),  # Burmese, Tai Viet
    (0xF900, 0xFAFF),  # Chinese characters
    (0xFF66, 0xFF9D),  # Japanese syllables of half width
    (0x11700, 0x1174F),  # Ahom
    (0x16FE0, 0x18DFF),  # Tangut, Khitan
    (0x1AFF0, 0x1B2FF),  # Japanese syllables, Nüshu
    (0x20000, 0x323AF),  # Chinese characters
)
MARKED = (  # where there are combining marks
    (0x0300, 0x30FF),
    (0xA660, 0xABFF),
    (0xFB1E, 0xFE2F),
    (0x101FD, 0x16FFF),
    (0x1BC9D, 0x1EFFF),
    (0xE0100, 0xE01EF),
)
# Joiners, and what belongs to the letter before it although it is one: the voicing marks of half
# width in Japanese, and the vowel "am" in Thai and Lao.
JOINED = "\u200c\u200d\uff9e\uff9f\u0e33\u0eb3"
PLAIN = re.compile(r"\w+", re.ASCII)
ENDS = (
    "\u3002\uff01\uff1f\uff61\u0964\u0965\u06d4\u104b\u17d4"  # of CJK, Indic, Urdu, Burmese, Khmer
)
ENDED = re.compile(rf"\s*([^{ENDS}]+[{ENDS}]*[\u300d\u300f\u201d\u2019\uff09]*|[{ENDS}]+)")
SPLITTER = "2"  # raised where sentences are found otherwise than before
FREQUENT = 10_000  # words that are looked up
CHUNK = 1000  # documents that are split together
SENTENCE = pa.schema({"row": pa.int64(), "text": pa.string()})
SAMPLE = 1_000_000  # characters, at most, that the abbreviations are learnt from: a few seconds


def words_in(text: str) -> list[str]:
    """The words of a text, in its order; case and form of the characters stay as they are."""
    return PLAIN.findall(text) if text.isascii() else _patterns()[0].findall(text)


def is_unspaced(word: str) -> bool:
    """Whether a word is a character of a script that writes no blanks between words."""
    return not word.isascii() and _patterns()[1].match(word) is not None


def borders_in(text: str) -> set[int]:
    """Where in a text words begin or end of scripts that write no blanks between them."""
    if not has_unspaced(text):
        return set()
    found = (word.span() for word in _patterns()[0].finditer(text) if is_unspaced(word.group()))
    return set(chain.from_iterable(found))


def has_unspaced(text: str) -> bool:
    """Whether a text holds characters of such a script."""
    return not text.isascii() and _patterns()[1].search(text) is not None


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What finds words in any script, and what finds letters of scripts without blanks."""
    letters, marks = _class(UNSPACED, "L"), marks_of_letters()
    words = rf"[{letters}][{marks}]*|(?:[^\W{letters}]+[{marks}]*)+"
    return re.compile(words), re.compile(f"[{letters}]")


@cache
def marks_of_letters() -> str:
    """The marks that belong to the letter before them, as the inside of a pattern's [...]."""
    return _class(MARKED, "M") + JOINED


def _class(blocks: Iterable[tuple[int, int]], category: str) -> str:
    """The characters of a category in these blocks, as the inside of a pattern's [...]."""
    codes = chain.from_iterable(range(first, last + 1) for first, last in blocks)
    found = [code for code in codes if unicodedata.category(chr(code))[0] == category]
    runs = groupby(enumerate(found), lambda item: item[1] - item[0])
    ends = ([code for _, code in run] for _, run in runs)
    return "".join(f"{chr(codes[0])}-{chr(codes[-1])}" for codes in ends)


def split_sentences(corpus: Corpus) -> tuple[Corpus, np.ndarray]:
    """The sentences of a corpus, a row each, and the rows at which its documents begin.

    The second is int64 (documents + 1,). Computed once, then taken from the cache folder of
    `datasets`; the key of the cache is the fingerprint of the table, and `SPLITTER`.
    """

    def write(writer: Any) -> Facts:
        splitter, documents, sentences = learn_abbreviations(corpus), 0, 0
        chunks = track(corpus.texts(size=CHUNK), -(-len(corpus) // CHUNK), "finding sentences")
        for texts in chunks:
            found = [sentences_of(text, splitter) for text in texts]
            rows = np.repeat(np.arange(documents, documents + len(texts)), list(map(len, found)))
            flat = pa.array(chain.from_iterable(found), pa.string())
            writer.write_batch(pa.record_batch([pa.array(rows), flat], schema=SENTENCE))
            documents += len(texts)
            sentences += len(rows)
        return {"sentences": sentences}

    table, _ = kept_table(
        f"sentences/{key_of(corpus.table._fingerprint + SPLITTER)}", SENTENCE, write
    )
    parts = Corpus(table, corpus.source)
    return parts, np.searchsorted(parts.rows(), np.arange(len(corpus) + 1))


def learn_abbreviations(corpus: Corpus) -> "PunktSentenceTokenizer":
    """A splitter that knows the abbreviations in the first `SAMPLE` characters of a corpus.

    NLTK's Punkt (Kiss and Strunk 2006) learns them from plain text: it needs no data of its own,
    and serves every language that ends its sentences with a full stop and a space.
    """
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer(learn_punkt(corpus))


def learn_punkt(corpus: Corpus) -> "PunktParameters":
    """What `learn_abbreviations` learns, to be kept."""
    from nltk.tokenize.punkt import PunktTrainer

    sample, size = [], 0
    for texts in corpus.texts():
        sample.extend(texts)
        size += sum(map(len, texts))
        if size >= SAMPLE:
            break
    trainer = PunktTrainer()
    trainer.train("\n".join(sample)[:SAMPLE])
    return trainer.get_params()


def sentences_of(text: str, splitter: "PunktSentenceTokenizer") -> list[str]:
    """The sentences of a text; what holds neither letter nor digit is part of the one before.

    Marks that end nothing but sentences, such as those of Chinese and Hindi, are not Punkt's, which
    knows a full stop and a space: there the text is parted before.
    """
    found: list[str] = []
    parts = [text] if text.isascii() else ENDED.findall(text)
    for sentence in chain.from_iterable(map(splitter.tokenize, parts)):
        if found and not any(map(str.isalnum, sentence)):
            found[-1] += " " + sentence
        else:
            found.append(sentence)
    return found


def vocabulary_fit(
    corpus: Corpus, tokenizer: "PreTrainedTokenizerBase", tokens: int
) -> dict[str, Any]:
    """Fertility, how many of the frequent words are one token, and what happens to their accents.

    {"tokens_a_word", "words" (different ones, at most `FREQUENT`), "whole" (share of them that are
    one token)}, and what `lost_accents` finds; `tokens` are those of the whole corpus. Punctuation
    counts as tokens, too.
    """
    counts: Counter[str] = Counter()
    for texts in corpus.texts():
        for text in texts:
            counts.update(words_in(text))
    frequent = [word for word, _ in counts.most_common(FREQUENT)]
    written = [word if is_unspaced(word) else f" {word}" for word in frequent]
    pieces = tokenizer(written, add_special_tokens=False)["input_ids"]
    whole = sum(len(ids) == 1 for ids in pieces)
    return {
        "tokens_a_word": round(tokens / max(counts.total(), 1), 3),
        "words": len(frequent),
        "whole": round(whole / max(len(frequent), 1), 3),
        **lost_accents(counts, tokenizer),
    }


def lost_accents(
    counts: Counter[str], tokenizer: "PreTrainedTokenizerBase"
) -> dict[str, float | int | list[list[str]]]:
    """Whether a tokenizer reads words without their accents, as that of an uncased BERT does.

    {"unaccented" (share of all words), "merged" (how many different ones it thereby takes for
    another word of the corpus), "merged_examples" (the most frequent of them, each with the other:
    "schön" and "schon")}; `counts` are the words of the corpus.
    """
    known: Counter[str] = Counter()
    for word, times in counts.items():
        known[unicodedata.normalize("NFC", word).casefold()] += times
    bare = {word: _unaccented(word) for word in known if not word.isascii()}
    bare = {word: plain for word, plain in bare.items() if word != plain}
    both = [f" {text}" for text in (*bare, *bare.values())]
    ids = tokenizer(both, add_special_tokens=False)["input_ids"] if both else []
    pairs = zip(bare.items(), ids[: len(bare)], ids[len(bare) :], strict=True)
    lost = [item for item, own, others in pairs if own == others]
    merged = [list(pair) for pair in lost if pair[1] in known]
    merged.sort(key=lambda pair: -min(known[word] for word in pair))
    share = sum(known[word] for word, _ in lost) / max(counts.total(), 1)
    return {"unaccented": round(share, 4), "merged": len(merged), "merged_examples": merged[:3]}


def _unaccented(word: str) -> str:
    """The word less its combining marks, composed again: 'schön' is 'schon'."""
    letters = (
        one for one in unicodedata.normalize("NFD", word) if unicodedata.category(one) != "Mn"
    )
    return unicodedata.normalize("NFC", "".join(letters))


def plain_words(text: str) -> list[str]:
    """The words of a text, less all that may differ between copies of it."""
    for _ in range(ESCAPED if "&" in text else 0):
        text = unescape(text)
    if "<" in text:
        text = TAG.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", UNSEEN.sub("", text))
    return words_in(text.casefold().replace("_", " "))


def plain_key(document: Document, words: Words) -> str:
    """What equal documents have in common: their letters and digits; of none, all they hold.

    Where words are parted is left out, but between numbers: "don't", "do n't" and "dont" are equal,
    "1.5" and "15" are not.
    """
    texts = (
        BETWEEN.sub("", " ".join(own)) if own else " ".join(text.casefold().split())
        for text, own in zip(document, words, strict=True)
    )
    return "\n".join(texts)
