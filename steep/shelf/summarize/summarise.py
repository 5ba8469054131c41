"""steep summarize fit: a summariser is trained on documents with summaries."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets

from steep import runs
from steep.args.training import BaseArgs
from steep.console import say, say_next
from steep.data.corpus import Corpus, Data, record_data
from steep.data.duplicates import corpus_hashes
from steep.data.readers import Source
from steep.metrics.weighted import Draws
from steep.models.checkpoint_files import check_checkpoint
from steep.models.fit_defaults import RATE, RATE_SMALL, SMALL, weights_of
from steep.models.hub import find, no_checkpoint
from steep.options import change
from steep.places import find_place, inputs_of
from steep.shelf.summarize import SummaryFitArgs
from steep.shelf.summarize.choose import rules_of
from steep.shelf.summarize.documents import role_of, split_documents
from steep.shelf.summarize.folder import write_summary_card
from steep.shelf.summarize.measure import lines_of
from steep.stages.fit import leaks, splits_of

if TYPE_CHECKING:
    from steep.train.session import Session

STAGE = "summarize fit"


def fit(source: Source, *, out: Path, args: SummaryFitArgs) -> Path:
    """Train a summariser; returns the folder `out`: an encoder's checkpoint with its head.

    Raises SteepError for whatever is wrong with files, options or the checkpoint.
    """
    find_place(out, "folder", args.output.overwrite, inputs_of(args, source))
    rules_of(args.training.size)
    args = settled_fit(args)
    like = splits_of(args.start)
    data = split_documents(source, args.documents, args.reference, args.split, like)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train.session import session

    with session(STAGE, out, args, identity_of(data), choose(args.machine)) as opened:
        record_data(opened.run, data, str(find(str(args.start.model))))
        for note in (*leaks(data, args.start, BaseArgs()), f"computing on {opened.machine}"):
            opened.run.note(note)
        results = _train_and_write(data, args, opened)
    part = "test" if "test" in results else "valid"
    say(f"summaries of {results['rule_in_words']}; on {part} documents:")
    for line in lines_of(results[part]):
        say(f"  {line}")
    say(f"summariser: {out}")
    say_next(shlex.join(["steep", "summarize", "predict", str(out), "NEW.txt", "--out", "s.jsonl"]))
    return out


def _train_and_write(data: Data, args: SummaryFitArgs, opened: "Session") -> dict[str, Any]:
    """Train, and write everything to the run's folder; returns the results."""
    from steep.shelf.summarize.model import save_summariser
    from steep.shelf.summarize.training import prepare, train

    run, start, seed = opened.run, str(args.start.model), args.seed.seed
    opened.check_space(weights_of(start))
    ready = prepare(data, run.note)
    made = train(ready, start, args.training, seed, opened.machine, opened.saves)
    results = made.results(ready, Draws(args.intervals.resamples, seed))
    runs.write_csv(run.folder / runs.HISTORY, made.history)
    runs.write_json(run.folder / runs.RESULTS, results)
    runs.write_hashes(run.folder, corpus_hashes(data.train))
    role = "sentence_labels" if args.reference.sentence_labels else "summary"
    named = args.reference.sentence_labels or args.reference.summary or "summary"
    columns = {"text": args.documents.text or "text", role: named}
    save_summariser(run.folder, made.summariser, ready.punkt, columns)
    write_summary_card(run.folder, run.out.resolve().name, run.manifest, results)
    return results


def settled_fit(args: Any) -> Any:
    """`args` with a learning rate by the size of the checkpoint; SteepError where there is none."""
    model = args.start.model
    if model is None:
        raise no_checkpoint()
    check_checkpoint(model)
    if args.training.optimiser.learning_rate is not None:
        return args
    rate = RATE_SMALL if weights_of(model) < SMALL else RATE
    say(f"{weights_of(model) / 1e6:,.0f} M parameters: learning rate {rate:g}")
    return change(args, {"learning_rate": rate})


def identity_of(data: Data) -> dict[str, Corpus]:
    """All that a run depends on: documents, and what they are to say."""
    found = dict(data.parts)
    for part, corpus in data.parts.items():
        role = role_of(corpus)
        cells = corpus.table[role][:]
        if role == "marks":
            cells = ["\n".join(mark or "" for mark in marks) for marks in cells]
        table = datasets.Dataset.from_dict({"row": corpus.table["row"][:], "text": cells})
        found[f"{part} {role}"] = Corpus(table, corpus.source)
    return found
