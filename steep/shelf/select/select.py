"""steep select: the texts of a large pile that are most similar to a task's, for step 2."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steep import outputs, runs
from steep.console import say, track
from steep.data import facts
from steep.data.corpus import Corpus, Data, Task, join_corpora
from steep.data.inputs import Rows
from steep.data.load import load
from steep.data.readers import Source
from steep.data.tables import read_texts
from steep.errors import SteepError
from steep.models.checkpoint_files import check_checkpoint
from steep.places import find_place, inputs_of
from steep.shelf.select import SelectArgs
from steep.shelf.select.neighbours import (
    CHUNK,
    Neighbours,
    Vectors,
    find_neighbours,
    tfidf_vectors,
)

EXAMPLES, SHOWN = 3, 100  # pairs that are shown, and characters of each text
NO_TASK = Task("single", ())  # features are asked for, not predictions


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
    with outputs.writing(out, "select", args, args.output.overwrite) as run:
        run.record(data=facts.describe(data))
        for note in (*data.notes, *text.notes):
            run.note(note)
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


def _vectors(data: Data, pile: Corpus, args: SelectArgs) -> Vectors:
    """Texts as vectors: TF-IDF, or features of a checkpoint."""
    if args.encoder.model is None or args.nearest.by == "tfidf":
        return tfidf_vectors(data.train, pile, args.seed.seed)
    check_checkpoint(args.encoder.model)
    from steep.models.checkpoints import check_length, checkpoint_notes, load_masked_lm
    from steep.models.devices import choose
    from steep.models.features import features

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
