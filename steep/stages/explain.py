"""steep explain: which words speak for a model's answers to single rows, and which against them."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args import ExplainArgs, PredictArgs, RunArgs
from steep.console import say, track
from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.data.long import SLIDING
from steep.data.tables import read_table
from steep.data.words import Words, words
from steep.errors import SteepError
from steep.stages.predict import Trained, load, table_args

if TYPE_CHECKING:
    from steep.models.attribution import Attribution

MOST = 8  # rows that are explained where none are named
TOLERANCE = 0.05  # of what a score changes by, that the parts may miss before it is said


def explain(
    model: str | Path, source: str | Path, *, out: str | Path, args: ExplainArgs | None = None
) -> Path:
    """What each word adds to the score of a label, for some rows; returns the run folder `out`.

    results.json has, for each row, the label, its score, the score with all words hidden, and for
    each word its place in the text and its part of the difference; words.csv is the same as a
    table; report.html shows it. Raises SteepError for whatever is wrong with folder, file or
    options, and where captum is missing.
    """
    args, out = args or ExplainArgs(), Path(out)
    runs.check_free(out, args.overwrite)
    if find_spec("captum") is None:
        raise SteepError("captum is not installed: pip install 'steep[understand]'.")
    trained = load(Path(model))
    target = _target(trained, args)
    corpus = chosen(read_table(Path(source), table_args(trained, args, label=None)), args.rows)
    rows = trained.rows(corpus)
    with runs.writing(out, "explain", args, args.overwrite) as run:
        for note in [*corpus.notes, *rows.notes(corpus.source)]:
            run.note(note)
        found = _explained(trained, rows, target, args)
        for note in _missed(found):
            run.note(note)
        files = [{"name": corpus.source, "rows": len(corpus), "fingerprint": ""}]
        run.record(base=str(model), precision="fp32", data={"files": files})
        task = trained.task.described()
        results = {"model": str(model), "task": task, "steps": args.steps, "rows": found}
        runs.write_json(run.folder / runs.RESULTS, results)
        runs.write_csv(run.folder / runs.WORDS, _lines(found))
    from steep.reports import page

    say(f"page: {page.write(out)}")
    return out


def chosen(corpus: Corpus, rows: str | None) -> Corpus:
    """The rows whose ids are named, in that order; the first ones if none are.

    Raises SteepError for an id that is not there.
    """
    if rows is None:
        return corpus.take(np.arange(min(MOST, len(corpus))))
    wanted = [name.strip() for name in rows.split(",") if name.strip()]
    places: dict[str, int] = {}
    for place, name in enumerate(corpus.table["id"]):
        places.setdefault(name, place)
    if lacking := next((name for name in wanted if name not in places), None):
        raise SteepError(
            f"{corpus.source}: no row has the id '{lacking}'. Ids are those of predictions: of the "
            "column 'id' or --id, else row numbers from 0; rows without a text have none here."
        )
    return corpus.take(np.array([places[name] for name in dict.fromkeys(wanted)], np.int64))


def _target(trained: Trained, args: ExplainArgs) -> int | None:
    """The number of the label that is explained; None for the most probable one of each row."""
    if trained.truncation.startswith(SLIDING):
        raise SteepError(
            f"{trained.folder}: it reads long texts in windows, which explain cannot; a model that "
            "was fitted with --truncation head+tail can be explained."
        )
    labels = trained.task.labels
    if args.target is None:
        return 0 if trained.task.kind == "regression" else None
    if args.target not in labels:
        raise SteepError(
            f"target: there is no label '{args.target}'; choose of {', '.join(labels)}."
        )
    return labels.index(args.target)


def _explained(
    trained: Trained, rows: Rows, target: int | None, args: ExplainArgs
) -> list[dict[str, Any]]:
    from steep.models.attribution import attribute
    from steep.models.checkpoints import load_trained
    from steep.models.devices import choose
    from steep.models.heads import Classifier

    machine = choose(RunArgs(precision="fp32", plain=True))
    model = Classifier(load_trained(trained.folder, machine.attention), autocast=False)
    model.eval().to(machine.device)
    given = trained.decisions.probabilities(
        trained.task, trained.compute(rows, PredictArgs(precision="fp32", plain=True))
    )
    masked = rows.tokenizer.mask_token_id
    if masked is None:
        raise SteepError(f"{trained.folder}: its tokenizer has no [MASK] token to hide words by.")
    found = []
    for i in track(range(len(rows)), len(rows), "explaining"):
        label = target if target is not None else int(given[i].argmax())
        inputs, places = rows[i][0], np.concatenate(list(_places(rows, i)))
        hidden = inputs[0].copy()
        hidden[places] = masked
        parts = attribute(model, inputs, hidden, label, args.steps)
        found.append(_row(trained.task, rows, i, label, given[i], parts))
    return found


def _places(rows: Rows, index: int) -> Iterator[np.ndarray]:
    """Where the tokens of the text, and of the second, stand in the input: int64 (tokens,) each."""
    start = len(rows.frame.before)
    for kept in rows.kept(index):
        yield np.arange(start, start + len(kept))
        start += len(kept) + len(rows.frame.between)


def _row(
    task: Task, rows: Rows, i: int, label: int, given: np.ndarray, parts: "Attribution"
) -> dict[str, Any]:
    """What is kept of a row, as plain JSON."""
    record = rows.corpus.table[i]
    texts = [record[name] for name in ("text", "pair") if name in record]
    shown = []
    for text, kept, places in zip(texts, rows.kept(i), _places(rows, i), strict=True):
        own = words(text, rows.tokenizer, kept)
        shown.append({"text": text, "words": _words(own, parts.tokens[places])})
    output = float(np.atleast_1d(given)[label])
    return {
        "row": record["row"],
        "id": record["id"],
        "label": task.labels[label],
        "output": output,
        "score": parts.score,
        "hidden": parts.hidden,
        "error": parts.error,
        "texts": shown,
    }


def _words(own: Words, tokens: np.ndarray) -> list[dict[str, Any]]:
    each = zip(own.begins, own.ends, own.sums(tokens), strict=True)
    return [{"begin": int(a), "end": int(b), "part": float(part)} for a, b, part in each]


def _missed(found: list[dict[str, Any]]) -> list[str]:
    """A note where the parts of a row do not come to what its score changes by."""
    bad = [r["id"] for r in found if abs(r["error"]) > TOLERANCE * abs(r["score"] - r["hidden"])]
    if not bad:
        return []
    which = ", ".join(bad[:5]) + (" and others" if len(bad) > 5 else "")
    return [
        f"rows {which}: the parts of the words miss the change of the score by more than "
        f"{TOLERANCE:.0%}: more --steps are more exact"
    ]


def _lines(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """words.csv: a line a word, in the order of the text."""
    return [
        {
            "row": row["row"],
            "id": row["id"],
            "label": row["label"],
            "column": column,
            "begin": word["begin"],
            "word": one["text"][word["begin"] : word["end"]],
            "part": f"{word['part']:.6g}",
        }
        for row in found
        for column, one in zip(("text", "pair"), row["texts"], strict=False)
        for word in one["words"]
    ]
