"""steep select: the texts of a large pile that are most like the task's, for step 2 to read."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steep import runs
from steep.args import SelectArgs
from steep.console import say, track
from steep.data.corpus import Corpus, Data, Task, join
from steep.data.inputs import Rows
from steep.data.load import load
from steep.data.neighbours import CHUNK, Nearest, Vectors, nearest, word_weights
from steep.data.tables import read_texts
from steep.errors import SteepError
from steep.models.hub import find
from steep.stages import facts

EXAMPLES, SHOWN = 3, 100  # pairs that are shown, and characters of each text
NO_TASK = Task("single", ())  # features are asked for, not predictions


def select(pile: str | Path | Sequence[str | Path], *, out: str | Path, args: SelectArgs) -> Path:
    """Choose the texts of `pile` that are nearest to the training rows of `args.near`.

    Writes `selected.jsonl` (text, similarity to the row it is nearest to) into the folder `out`,
    which is returned: `steep adapt TASK OUT/selected.jsonl` trains on it, less what gives held-out
    rows away. Those rows are not looked for. Raises SteepError for whatever is wrong.
    """
    out = Path(out)
    runs.check_free(out, args.overwrite)
    if args.near is None:
        raise SteepError("Name the table of the task with --near.")
    data = load(args.near, args)
    files = [pile] if isinstance(pile, str | Path) else pile
    text = join([read_texts([Path(file)], args) for file in files])
    with runs.writing(out, "select", args, args.overwrite) as run:
        run.record(data=facts.describe(data))
        for note in (*data.notes, *text.notes):
            run.note(note)
        found = _nearest(data.train, text, _vectors(data, text, args), args.neighbours)
        counts = _write(text, found, run.folder / runs.SELECTED)
        run.note(
            f"{counts['selected']:,} of {len(text):,} texts are chosen, {args.neighbours} for each "
            f"of {len(data.train):,} training rows; mean similarity {counts['similarity']:.3f}"
        )
        examples = _examples(data.train, text, found)
        runs.write_json(run.folder / runs.RESULTS, counts | {"examples": examples})
    for query, neighbour, similarity in examples:
        say(f"  {query}\n    {similarity:.2f}  {neighbour}")
    say(f"chosen texts: {out / runs.SELECTED}; 'steep adapt {args.near} {out / runs.SELECTED}'")
    return out


def _vectors(data: Data, pile: Corpus, args: SelectArgs) -> Vectors:
    """Texts as vectors: of words, or of a checkpoint."""
    if args.by == "tfidf":
        return word_weights(data.train, pile, args.seed)
    assert args.model is not None
    folder = find(args.model)
    from steep.models.checkpoints import check_length, load_masked_lm
    from steep.models.devices import choose
    from steep.models.features import features

    machine = choose(args)
    lm = load_masked_lm(folder, machine.attention, args.seed)
    check_length(args.max_length, lm.model)
    model = machine.prepare(lm.model, 0)

    def vectors(corpus: Corpus) -> np.ndarray:
        rows = Rows(corpus, NO_TASK, lm.tokenizer, args.max_length)
        return features(model, rows, machine.autocast, machine.device)

    return vectors


def _nearest(queries: Corpus, pile: Corpus, vectors: Vectors, k: int) -> Nearest:
    """The neighbours, with a bar over the chunks of the pile."""
    chunks = -(-len(pile) // CHUNK)
    *_, found = track(nearest(queries, pile, k, vectors), chunks, "comparing")
    return found


def _write(pile: Corpus, found: Nearest, path: Path) -> dict[str, float]:
    """The chosen texts in the pile's order; how many, and how near they are in the mean."""
    best = np.zeros(len(pile))
    np.maximum.at(best, found.positions.ravel(), found.similarity.ravel())
    chosen = pile.take(found.chosen)
    similar = iter(best[found.chosen].tolist())
    with path.open("w", encoding="utf-8") as stream:
        for texts in chosen.texts():
            for text in texts:
                line = {"text": text, "similarity": round(next(similar), 4)}
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return {"selected": len(chosen), "similarity": float(best[found.chosen].mean())}


def _examples(queries: Corpus, pile: Corpus, found: Nearest) -> list[tuple[str, str, float]]:
    """Some rows of the task, spread over all similarities, each with the text nearest to it."""
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
