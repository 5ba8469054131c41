"""Where does one sentence of a text end and the next begin?

NLTK's Punkt (Kiss and Strunk 2006) learns the abbreviations of a language from plain text: it needs
no data of its own, and serves every language that ends its sentences with a full stop and a space.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np

from steep.console import progress
from steep.data.corpus import Corpus

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktSentenceTokenizer

SAMPLE = 1_000_000  # characters, at most, that the abbreviations are learnt from: a few seconds


def split_sentences(corpus: Corpus) -> tuple[Corpus, np.ndarray]:
    """The sentences of a corpus, a row each, and the rows at which its documents begin.

    The second is int64 (documents + 1,). Computed once, then taken from the cache folder of
    `datasets`; the key of the cache is the fingerprint of the table.
    """
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "steep" / "sentences"
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.blake2b(corpus.table._fingerprint.encode(), digest_size=16).hexdigest()
    with progress() as bar:
        task = bar.add_task("finding sentences", total=len(corpus), rate="")
        splitter: list[PunktSentenceTokenizer] = []

        def rows(batch: dict[str, list[str]], places: list[int]) -> dict[str, list[Any]]:
            splitter.extend([learn_abbreviations(corpus)] if not splitter else [])
            found = [sentences_of(text, splitter[0]) for text in batch["text"]]
            bar.advance(task, len(places))
            return {
                "row": [place for place, parts in zip(places, found, strict=True) for _ in parts],
                "text": [part for parts in found for part in parts],
            }

        table = corpus.table.map(
            rows,
            with_indices=True,
            batched=True,
            remove_columns=corpus.table.column_names,
            cache_file_name=str(folder / f"{key}.arrow"),
            new_fingerprint=key,
        )
    parts = Corpus(table, corpus.source)
    return parts, np.searchsorted(parts.rows(), np.arange(len(corpus) + 1))


def learn_abbreviations(corpus: Corpus) -> "PunktSentenceTokenizer":
    """A splitter that knows the abbreviations in the first `SAMPLE` characters of a corpus."""
    from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTrainer

    sample, size = [], 0
    for texts in corpus.texts():
        sample.extend(texts)
        size += sum(map(len, texts))
        if size >= SAMPLE:
            break
    trainer = PunktTrainer()
    trainer.train("\n".join(sample)[:SAMPLE])
    return PunktSentenceTokenizer(trainer.get_params())


def sentences_of(text: str, splitter: "PunktSentenceTokenizer") -> list[str]:
    """The sentences of a text; what holds neither letter nor digit is part of the one before."""
    found: list[str] = []
    for sentence in splitter.tokenize(text):
        if found and not any(map(str.isalnum, sentence)):
            found[-1] += " " + sentence
        else:
            found.append(sentence)
    return found
