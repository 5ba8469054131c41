"""steep select: the texts of a large pile that are most similar to a task's, for step 2."""

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from steep import outputs, runs
from steep.console import say, track
from steep.data.corpus import Corpus, Data, Task, describe, join_corpora
from steep.data.duplicates import corpus_hashes
from steep.data.inputs import Rows
from steep.data.load import load, read_texts
from steep.data.readers import Source
from steep.data.words import has_unspaced, is_unspaced, words_in
from steep.errors import SteepError
from steep.models.checkpoint_files import check_checkpoint
from steep.places import find_place, inputs_of
from steep.seeds import numbers
from steep.shelf.select import SelectArgs

EXAMPLES, SHOWN = 3, 100  # pairs that are shown, and characters of each text
NO_TASK = Task("single", ())  # features are asked for, not predictions
CHUNK = 5000  # texts of the pile that are compared at once
FITTED_ON = 50_000  # texts of the pile that the TF-IDF weights are fitted on, at most
VOCABULARY = 100_000  # the most frequent words are compared

Vectors = Callable[[Corpus], Any]  # texts -> dense or sparse (n, size)


@dataclass(frozen=True)
class Neighbours:
    """For each query its neighbours, best first: positions in the pile, and cosine similarities.

    Both (queries, k): int64 and float64.
    """

    positions: np.ndarray
    similarity: np.ndarray

    @property
    def selected(self) -> np.ndarray:
        """Every position that is a neighbour of some query, once, ascending."""
        return np.unique(self.positions)


def select(pile: Source | Sequence[Source], *, out: Path, args: SelectArgs) -> Path:
    """Select the texts of `pile` that are nearest to the training rows of the table `near`.

    Writes `selected.jsonl` (each text, and its similarity to the nearest row) into the folder
    `out`, which is returned: `steep adapt TASK OUT/selected.jsonl` trains on it, without texts that
    leak held-out rows. The held-out rows themselves are no queries. Raises SteepError for whatever
    is wrong.
    """
    near, k = args.nearest.near, args.nearest.neighbours
    find_place(out, "folder", args.output.overwrite, inputs_of(args, pile))
    if near is None:
        raise SteepError("Name the table of the task with --near.")
    data = load(near, args.table, args.split)
    sources = [pile] if isinstance(pile, Source) else pile
    text = join_corpora([read_texts([source], args.table.columns) for source in sources])
    text, repeated = without_repeats(text)
    with outputs.writing(out, "select", args, args.output.overwrite) as run:
        run.record(data=describe(data))
        for note in (*data.notes, *text.notes):
            run.note(note)
        if repeated:
            run.note(f"{repeated:,} texts of the pile repeat another, and are left out")
        found = _search(data.train, text, _vectors(data, text, args), k)
        counts = _write(text, found, run.folder / runs.SELECTED)
        run.note(
            f"{counts['selected']:,} of {len(text):,} texts are selected, {k} for each of "
            f"{len(data.train):,} training rows; mean similarity {counts['similarity']:.3f}"
        )
        alone = int((found.similarity[:, 0] <= 0).sum())
        if alone:
            run.note(f"{alone:,} training rows are like no text: what is chosen for them is chance")
        examples = _examples(data.train, text, found)
        runs.write_json(run.folder / runs.RESULTS, counts | {"examples": examples})
    for query, neighbour, similarity in examples:
        say(f"  {query}\n    {similarity:.2f}  {neighbour}")
    command = shlex.join(["steep", "adapt", str(near), str(out / runs.SELECTED)])
    say(f"selected texts: {out / runs.SELECTED}; next: {command} ...")
    return out


def without_repeats(pile: Corpus) -> tuple[Corpus, int]:
    """The first of each text, so that k neighbours are k texts; and how many are left out."""
    firsts = np.sort(np.unique(corpus_hashes(pile), return_index=True)[1])
    left_out = len(pile) - len(firsts)
    return (pile.take(firsts) if left_out else pile), left_out


def _vectors(data: Data, pile: Corpus, args: SelectArgs) -> Vectors:
    """Texts as vectors: TF-IDF, or features of a checkpoint."""
    if args.encoder.model is None or args.nearest.by == "tfidf":
        return tfidf_vectors(data.train, pile, args.seed.seed)
    check_checkpoint(args.encoder.model)
    from steep.models.checkpoints import check_length, checkpoint_notes
    from steep.models.devices import choose
    from steep.models.heads import features
    from steep.models.masked_lm import load_masked_lm

    machine, max_length = choose(args.machine), args.length.max_length
    lm = load_masked_lm(args.encoder.model, machine.attention, args.seed.seed)
    for note in checkpoint_notes(lm.model):
        say(note)
    check_length(max_length, lm.model)
    model = machine.prepare(lm.model, 0)

    def vectors(corpus: Corpus) -> np.ndarray:
        rows = Rows(corpus, NO_TASK, lm.tokenizer, max_length)
        return features(model, rows, machine.autocast, machine.device)

    return vectors


def _search(queries: Corpus, pile: Corpus, vectors: Vectors, k: int) -> Neighbours:
    """The neighbours, under a progress bar over the chunks of the pile."""
    chunks = -(-len(pile) // CHUNK)
    *_, found = track(find_neighbours(queries, pile, k, vectors), chunks, "comparing")
    return found


def _write(pile: Corpus, found: Neighbours, path: Path) -> dict[str, float]:
    """Write the selected texts in the pile's order; their number and mean similarity."""
    best = np.zeros(len(pile))
    np.maximum.at(best, found.positions.ravel(), found.similarity.ravel())
    selected = pile.take(found.selected)
    similar = iter(best[found.selected].tolist())
    with path.open("w", encoding="utf-8") as stream:
        for texts in selected.texts():
            for text in texts:
                line = {"text": text, "similarity": round(next(similar), 4)}
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return {"selected": len(selected), "similarity": float(best[found.selected].mean())}


def _examples(queries: Corpus, pile: Corpus, found: Neighbours) -> list[tuple[str, str, float]]:
    """Some rows of the task, from the most to the least similar, each with its nearest text."""
    order = np.argsort(-found.similarity[:, 0], kind="stable")
    rows = order[np.linspace(0, len(order) - 1, min(EXAMPLES, len(order))).astype(int)]
    return [
        (
            _short(queries.table[int(row)]["text"]),
            _short(pile.table[int(found.positions[row, 0])]["text"]),
            round(float(found.similarity[row, 0]), 3),
        )
        for row in rows
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def find_neighbours(
    queries: Corpus, pile: Corpus, k: int, vectors: Vectors
) -> Iterator[Neighbours]:
    """The `k` texts of the pile nearest to each query (cosine), as known after each chunk of it.

    The last item is the answer. Gururangan et al. 2020, section 5.2 (kNN-TAPT), do the same with
    the features of a variational autoencoder.
    """
    asked = vectors(queries)
    k = min(k, len(pile))
    positions = np.zeros((len(queries), 0), np.int64)
    similarity = np.zeros((len(queries), 0))
    for start in range(0, len(pile), CHUNK):
        some = np.arange(start, min(start + CHUNK, len(pile)))
        index = NearestNeighbors(n_neighbors=min(k, len(some)), metric="cosine", algorithm="brute")
        distance, places = index.fit(vectors(pile.take(some))).kneighbors(asked)
        positions = np.hstack([positions, some[places]])
        similarity = np.hstack([similarity, 1 - distance])
        best = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        positions = np.take_along_axis(positions, best, axis=1)
        similarity = np.take_along_axis(similarity, best, axis=1)
        yield Neighbours(positions, similarity)


def tfidf_vectors(queries: Corpus, pile: Corpus, seed: int) -> Vectors:
    """TF-IDF vectors of texts, fitted on both corpora; of a large pile, on a sample of it.

    Raises SteepError if no text holds a word.
    """
    count = min(FITTED_ON, len(pile))
    drawn = numbers(seed, "words").choice(len(pile), count, replace=False)
    known = TfidfVectorizer(
        max_features=VOCABULARY, sublinear_tf=True, dtype=np.float32, analyzer=compared_terms
    )
    try:
        known.fit(chain(_texts(queries), _texts(pile.take(np.sort(drawn)))))
    except ValueError:  # scikit-learn's only way to say that there are none
        raise SteepError(
            f"{queries.source}, {pile.source}: no text holds a word of two letters or more, so "
            "none is nearer than another. Compare them with --by encoder."
        ) from None
    return lambda corpus: known.transform(_texts(corpus))


def compared_terms(text: str) -> list[str]:
    """What two texts may share: words of two letters or more, in lower case.

    Of scripts without blanks, characters and their pairs: many a word is of two, and where there
    are few characters (Thai, the syllables of Japanese) single ones say little.
    """
    words = words_in(text.lower())
    if not has_unspaced(text):
        return [word for word in words if len(word) > 1]
    single = [is_unspaced(word) for word in words]
    kept = [word for word, alone in zip(words, single, strict=True) if alone or len(word) > 1]
    pairs = zip(words, words[1:], single, single[1:], strict=False)
    return kept + [one + other for one, other, *both in pairs if all(both)]


def _texts(corpus: Corpus) -> Iterator[str]:
    return chain.from_iterable(corpus.texts())
