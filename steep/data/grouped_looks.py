"""Do rows look as if they belong together, though nobody said so? By ids, prefixes, and words."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from steep.data.corpus import Corpus
from steep.wording import brief, quoted

ID = re.compile(r"(.*\d.*?)[_.:/#|\s-]+[^\W_]{0,12}")  # 'doc12_s3': a number, a mark, a part
LOOKED_AT = 2000  # rows: enough to see a habit
FEWEST = 20  # rows below which nothing is said
PREFIX = 5  # words with which texts of one template begin
SHARE = 0.5  # of the rows have to be alike by ids or beginnings
NEAR = 0.1  # of the rows have to have nearly the words of another
DIGITS = re.compile(r"\d+")
WORDS = re.compile(r"\w+")


def asks_for_groups(corpus: Corpus, examples: bool = True) -> list[str]:
    """Sentences that ask for --group; none where rows look independent, or are grouped already.

    Without `examples` they hold nothing of the texts.
    """
    if corpus.groups() is not None or len(corpus) < FEWEST:
        return []
    some = corpus.take(np.arange(min(len(corpus), LOOKED_AT)))
    ids, texts = list(dict.fromkeys(some.table["id"])), some.whole()  # both of a pair have one
    found = [_by_id(ids), _by_prefix(texts, examples), _by_words(texts)]
    why = [reason for reason in found if reason]
    if not why:
        return []
    return [
        f"{corpus.source}: rows look as if they belong together ({'; '.join(why)}). If they do, "
        "name the column of the document, author, thread or template with --group."
    ]


def _by_id(ids: list[str]) -> str:
    stems = [match[1] if (match := ID.fullmatch(one)) else one for one in ids]
    together, groups = _alike(stems)
    if together < SHARE * len(ids):
        return ""
    example = next(one for one, stem in zip(ids, stems, strict=True) if one != stem)
    return f"ids such as {quoted(example)} name {groups:,} groups of {together:,} rows"


def _by_prefix(texts: list[str], examples: bool) -> str:
    """By the first words of different texts."""
    different = list(dict.fromkeys(" ".join(WORDS.findall(text.casefold())) for text in texts))
    starts = [" ".join(text.split()[:PREFIX]) for text in different]
    long = [start for start in starts if start.count(" ") == PREFIX - 1]
    together, _ = _alike(long)
    if together < SHARE * len(texts):
        return ""
    most = Counter(long).most_common(1)[0][0]
    shown = f", as {quoted(brief(most))}" if examples else ""
    return f"{together:,} of {len(texts):,} texts begin like another{shown}"


def _by_words(texts: list[str]) -> str:
    """By the same words in another order, or with other numbers and another ending."""
    bags = [frozenset(WORDS.findall(DIGITS.sub("0", text.casefold()))) for text in texts]
    wholes = Counter(bag for bag in bags if len(bag) >= PREFIX)
    exact = Counter(text.casefold() for text in texts)
    near = sum(wholes[bag] > exact[text.casefold()] for bag, text in zip(bags, texts, strict=True))
    if near < NEAR * len(texts):
        return ""
    return f"{near:,} of {len(texts):,} texts have nearly the words of another"


def _alike(names: Iterable[str]) -> tuple[int, int]:
    """Rows whose name another row has, and the number of these names, of which there are many.

    A single name for all rows, or a few for thousands, is no group of rows that belong together.
    """
    counts = [count for count in Counter(names).values() if count > 1]
    return (sum(counts), len(counts)) if len(counts) >= PREFIX else (0, 0)
