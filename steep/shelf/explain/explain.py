"""steep explain: which words speak for a model's predictions of single rows, and which against?"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import outputs, runs
from steep.args import MachineArgs
from steep.console import say, track
from steep.data.corpus import Corpus
from steep.data.inputs import SLIDING, Rows
from steep.data.load import read_table
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.summary import headline
from steep.models.trained import Trained, load_trained_model
from steep.places import find_place, inputs_of
from steep.run_shapes import COMPARED_FIT
from steep.run_tables import summaries
from steep.shapes import Maybe
from steep.shelf.explain import ExplainArgs
from steep.stages.predict import table_for
from steep.wording import some, split_at_commas

if TYPE_CHECKING:
    from steep.shelf.explain.attribution import Attribution

NO_SKILL = "What single words add to its predictions says nothing about the task."
DEFAULT_ROWS = 8  # the first rows are explained where none are named
TOLERANCE = 0.05  # of the change of the score, that attributions may miss without a note
EXACT = MachineArgs(precision="fp32", plain=True)  # gradients in fp32, through the plain layers


def explain(model: str | Path, source: Source, *, out: Path, args: ExplainArgs) -> Path:
    """What each word contributes to the score of a label, for some rows; returns the folder `out`.

    results.json has, for each row, the label, its score, the score with all words masked, and for
    each word its place in the text and its attribution; words.csv is the same as a table;
    report.html shows it. Raises SteepError for whatever is wrong with folder, file or options, and
    if captum is missing.
    """
    find_place(out, "folder", args.output.overwrite, inputs_of(args, model, source))
    if find_spec("captum") is None:
        raise SteepError("captum is not installed: pip install 'steep[understand]'.")
    trained = load_trained_model(Path(model))
    target = _target(trained, args.attribution.target)
    corpus = read_table(source, table_for(trained, args.columns))
    rows = trained.rows(rows_with_ids(corpus, args.attribution.ids))
    with outputs.writing(out, "explain", args, args.output.overwrite) as run:
        for note in [*corpus.notes, *rows.notes(corpus.source)]:
            run.note(note)
        found = _explained(trained, rows, target, args.attribution.n_steps)
        for note in _inexact(found):
            run.note(note)
        files = [{"name": corpus.source, "rows": len(rows), "fingerprint": ""}]
        run.record(base=str(model), precision="fp32", data={"files": files})
        results: dict[str, Any] = {"model": str(model), "task": trained.task.described()}
        results |= {"steps": args.attribution.n_steps, "rows": found}
        results["warnings"] = without_skill(Path(model))
        runs.write_json(run.folder / runs.RESULTS, results)
        runs.write_csv(run.folder / runs.WORDS, _lines(found))
    from steep.reports.page import write_report
    from steep.shelf.explain.explained_page import EXPLAIN_PAGE

    say(f"page: {write_report(out, pages={'explain': EXPLAIN_PAGE})}")
    return out


def without_skill(model: Path) -> list[str]:
    """What a reader has to know first, if the model learnt nothing according to its fit."""
    part = Maybe({"compared?": Maybe(COMPARED_FIT)})
    found = runs.read_shaped(model / runs.RESULTS, {"valid?": part, "test?": part})
    compared = [one.get("compared") for one in summaries(found).values()][-1:]
    return [f"{headline(one)}. {NO_SKILL}" for one in compared if one and not one["skill"]]


def rows_with_ids(corpus: Corpus, ids: str | None) -> Corpus:
    """The rows whose ids are named, in that order; the first ones if none are.

    Raises SteepError for an id that is not there, and for no id at all.
    """
    if ids is None:
        return corpus.take(np.arange(min(DEFAULT_ROWS, len(corpus))))
    places: dict[str, int] = {}
    for place, name in enumerate(corpus.table["id"]):
        places.setdefault(name, place)
    commas = max((name.count(",") for name in places), default=0)
    known = {*places, ""}
    wanted = [name for name in split_at_commas(ids, known.__contains__, commas) if name]
    if not wanted:
        raise SteepError("ids: no id is named. Name some, or leave --ids out.")
    if missing := next((name for name in wanted if name not in places), None):
        raise SteepError(
            f"{corpus.source}: no row has the id '{missing}'. Ids are those of the column 'id' or "
            "--id, else row numbers from 0; rows without a text are left out."
        )
    return corpus.take(np.array([places[name] for name in dict.fromkeys(wanted)], np.int64))


def _target(trained: Trained, target: str | None) -> int | None:
    """The index of the label that is explained; None for the most probable one of each row."""
    if trained.truncation.startswith(SLIDING):
        raise SteepError(
            f"{trained.folder}: a model that reads long texts in windows cannot be explained; one "
            "that was fitted with --truncation head+tail can."
        )
    labels = trained.task.labels
    if target is None:
        return 0 if trained.task.kind == "regression" else None
    if target not in labels:
        raise SteepError(f"target: there is no label '{target}'; choose from {', '.join(labels)}.")
    return labels.index(target)


def _explained(
    trained: Trained, rows: Rows, target: int | None, n_steps: int
) -> list[dict[str, Any]]:
    from steep.models.devices import choose
    from steep.models.heads import Classifier
    from steep.shelf.explain.attribution import integrated_gradients

    machine = choose(EXACT)
    model = Classifier(trained.model(rows, machine.attention), autocast=None)
    model.eval().to(machine.device)
    outputs = trained.decisions.probabilities(trained.task, trained.compute(rows, EXACT, 64))
    mask = rows.tokenizer.mask_token_id
    if mask is None:
        raise SteepError(f"{trained.folder}: its tokenizer has no [MASK] token for the baseline.")
    found = []
    for i in track(range(len(rows)), len(rows), "explaining"):
        label = target if target is not None else int(outputs[i].argmax())
        inputs, places = rows[i][0], np.concatenate(list(_places(rows, i)))
        masked = inputs[0].copy()
        masked[places] = mask
        attributed = integrated_gradients(model, inputs, masked, label, n_steps)
        output = float(np.atleast_1d(outputs[i])[label])
        found.append(_about_row(trained.task.labels[label], rows, i, output, attributed))
    return found


def _places(rows: Rows, index: int) -> Iterator[np.ndarray]:
    """Where the tokens of the text, and of the second, stand in the input: int64 (tokens,) each."""
    start = len(rows.frame.before)
    for kept in rows.kept(index):
        yield np.arange(start, start + len(kept))
        start += len(kept) + len(rows.frame.between)


def _about_row(
    label: str, rows: Rows, index: int, output: float, attributed: "Attribution"
) -> dict[str, Any]:
    """What is kept of a row, as plain JSON."""
    from steep.shelf.explain.attribution import words_of

    record = rows.corpus.table[index]
    texts = [record[name] for name in ("text", "pair") if name in record]
    shown = []
    for text, kept, places in zip(texts, rows.kept(index), _places(rows, index), strict=True):
        words = words_of(text, rows.tokenizer, kept)
        each = zip(words.begins, words.ends, words.sums(attributed.tokens[places]), strict=True)
        parts = [{"begin": int(a), "end": int(b), "part": float(part)} for a, b, part in each]
        shown.append({"text": text, "words": parts})
    return {
        "row": record["row"],
        "id": record["id"],
        "label": label,
        "output": output,
        "score": attributed.score,
        "hidden": attributed.baseline,
        "error": attributed.error,
        "texts": shown,
    }


def _inexact(found: list[dict[str, Any]]) -> list[str]:
    """A note where the attributions of a row do not sum to the change of its score."""
    bad = [r["id"] for r in found if abs(r["error"]) > TOLERANCE * abs(r["score"] - r["hidden"])]
    if not bad:
        return []
    return [
        f"rows {some(bad)}: the attributions miss the change of the score by more than "
        f"{TOLERANCE:.0%}; a larger --n-steps is more exact"
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
