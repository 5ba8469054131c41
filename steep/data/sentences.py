"""Where does one sentence of a text end and the next begin?

NLTK's Punkt (Kiss and Strunk 2006) learns the abbreviations of a language from plain text: it needs
no data of its own, and serves every language that ends its sentences with a full stop and a space.
"""

import hashlib
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from steep.console import track
from steep.data.cache_files import Facts, cache_folder, kept, opened
from steep.data.corpus import Corpus

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktSentenceTokenizer

CHUNK = 1000  # documents that are split together
SENTENCE = pa.schema({"row": pa.int64(), "text": pa.string()})
SAMPLE = 1_000_000  # characters, at most, that the abbreviations are learnt from: a few seconds


def split_sentences(corpus: Corpus) -> tuple[Corpus, np.ndarray]:
    """The sentences of a corpus, a row each, and the rows at which its documents begin.

    The second is int64 (documents + 1,). Computed once, then taken from the cache folder of
    `datasets`; the key of the cache is the fingerprint of the table.
    """
    key = hashlib.blake2b(corpus.table._fingerprint.encode(), digest_size=16).hexdigest()
    path = cache_folder() / "sentences" / f"{key}.arrow"
    kept(path.with_suffix(".json"), [path], lambda aside: _write(corpus, aside[0]))
    parts = Corpus(opened(path), corpus.source)
    return parts, np.searchsorted(parts.rows(), np.arange(len(corpus) + 1))


def _write(corpus: Corpus, path: Path) -> Facts:
    """Write the sentences as an Arrow file; how many there are."""
    splitter, documents, sentences = learn_abbreviations(corpus), 0, 0
    chunks = track(corpus.texts(size=CHUNK), -(-len(corpus) // CHUNK), "finding sentences")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, SENTENCE) as writer:
        for texts in chunks:
            found = [sentences_of(text, splitter) for text in texts]
            counts = [len(parts) for parts in found]
            rows = np.repeat(np.arange(documents, documents + len(texts)), counts)
            flat = pa.array(chain.from_iterable(found), pa.string())
            writer.write_batch(pa.record_batch([pa.array(rows), flat], schema=SENTENCE))
            documents += len(texts)
            sentences += len(rows)
    return {"sentences": sentences}


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
