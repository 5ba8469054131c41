"""steep summarize fit, predict, evaluate: a summariser is trained, used, and measured."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pandas as pd

from steep import outputs, runs
from steep.args.training import BaseArgs
from steep.console import say, say_next, tell, track
from steep.data.corpus import Corpus, Data, record_data
from steep.data.duplicates import corpus_hashes
from steep.data.raw import chunks
from steep.data.readers import Source, is_texts
from steep.metrics.weighted import Draws
from steep.models.checkpoint_files import check_checkpoint
from steep.models.fit_defaults import RATE, RATE_BEGUN, SMALL, weights_of
from steep.models.hub import find, no_checkpoint
from steep.options import change
from steep.places import find_place, inputs_of
from steep.seeds import numbers
from steep.shelf.summarize import (
    ReferenceArgs,
    SummaryEvaluateArgs,
    SummaryFitArgs,
    SummaryPredictArgs,
)
from steep.shelf.summarize import documents as docs
from steep.shelf.summarize import measure as ways
from steep.shelf.summarize.choose import Labelled, Rule, labelled, rules_of, settled
from steep.shelf.summarize.folder import read_settings, write_summary_card
from steep.shelf.summarize.rouge import WORDS, any_words, described
from steep.stages.fit import leaks, splits_of

if TYPE_CHECKING:
    from steep.shelf.summarize.model import Summariser
    from steep.train.session import Session

CHUNK = 256  # documents that are read, scored and written together


def fit(source: Source, *, out: Path, args: SummaryFitArgs) -> Path:
    """Train a summariser; returns the folder `out`: an encoder's checkpoint with its head.

    Raises SteepError for whatever is wrong with files, options or the checkpoint.
    """
    find_place(out, "folder", args.output.overwrite, inputs_of(args, source))
    rules_of(args.training.size)
    args = settled_fit(args)
    like = splits_of(args.start)
    data = docs.split_documents(source, args.documents, args.reference, args.split, like)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train.session import session

    with session("summarize fit", out, args, identity_of(data), choose(args.machine)) as opened:
        record_data(opened.run, data, str(find(str(args.start.model))))
        for note in (*leaks(data, args.start, BaseArgs()), f"computing on {opened.machine}"):
            opened.run.note(note)
        results = _train_and_write(data, args, opened)
    part = "test" if "test" in results else "valid"
    say(f"summaries of {results['rule_in_words']}; on {part} documents:")
    for line in ways.lines_of(results[part]):
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
    rate = RATE_BEGUN if weights_of(model) < SMALL else RATE
    say(f"{weights_of(model) / 1e6:,.0f} M parameters: learning rate {rate:g}")
    return change(args, {"learning_rate": rate})


def identity_of(data: Data) -> dict[str, Corpus]:
    """All that a run depends on: documents, and what they are to say."""
    found = dict(data.parts)
    for part, corpus in data.parts.items():
        role = docs.role_of(corpus)
        cells = corpus.table[role][:]
        if role == "marks":
            cells = ["\n".join(mark or "" for mark in marks) for marks in cells]
        table = datasets.Dataset.from_dict({"row": corpus.table["row"][:], "text": cells})
        found[f"{part} {role}"] = Corpus(table, corpus.source)
    return found


def predict(
    folder: Path, source: Source | Sequence[Any], *, out: Path | None, args: SummaryPredictArgs
) -> pd.DataFrame | Path:
    """A summary of each document in the order given, as a DataFrame, or written to `out`.

    A line of JSON each: id, summary, its sentences, their numbers (from 1) and scores. Of an empty
    document the summary is empty. In memory are some documents at a time. Raises SteepError for
    whatever is wrong.
    """
    if out is None:
        return pd.DataFrame(_summaries(folder, source, args))
    inputs, count = inputs_of(args, folder, *(() if is_texts(source) else (source,))), 0
    writing = outputs.writing_file(out, "JSON", args.output.overwrite, inputs)
    with writing as file, file.open("w", encoding="utf-8") as stream:
        for line in _summaries(folder, source, args):
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    say(f"summaries: {out} ({count:,} documents)")
    return out


def _summaries(folder: Path, source: Any, args: SummaryPredictArgs) -> Iterator[dict[str, Any]]:
    """A dictionary for each document."""
    known = read_settings(folder)["columns"]
    columns = replace(args.documents, text=args.documents.text or known["text"])
    corpus = docs.read_documents(source, columns)
    for note in corpus.notes:
        say(note)
    made, rule = _loaded(folder, args)
    words, empty = WORDS[made.words], list[int]()
    parts = chunks(docs.documents_of(corpus, made.splitter), CHUNK)
    for chunk in track(parts, -(-len(corpus) // CHUNK), "summarising"):
        scored = made.reader.scores([one.sentences for one in chunk], args.batch.size)
        for document, scores in zip(chunk, scored, strict=True):
            own = [words(one) or any_words(one) for one in document.sentences]  # any script
            empty += [] if any(own) else [document.row]
            chosen = rule.choose(scores, own)
            sentences = [document.sentences[i] for i in chosen]
            yield {
                "id": document.id,
                "summary": " ".join(sentences),
                "sentences": sentences,
                "numbers": [i + 1 for i in chosen],
                "scores": [round(float(scores[i]), 6) for i in chosen],
            }
    if empty:
        told = f"{len(empty):,} of {len(corpus):,} documents are empty"
        say(f"{corpus.source}: {told} ({docs.rows_in_words(empty)}): so are their summaries")


def _loaded(
    folder: Path, args: SummaryPredictArgs | SummaryEvaluateArgs
) -> tuple["Summariser", Rule]:
    """The summariser in a folder, and how long its summaries are to be."""
    rules_of(args.size)
    from steep.models.devices import choose
    from steep.shelf.summarize.model import load_summariser

    made = load_summariser(folder, choose(args.machine))
    return made, settled(args.size, made.rule)


def evaluate(
    folder: Path, source: Source, *, out: Path | None, args: SummaryEvaluateArgs
) -> dict[str, Any]:
    """How good a summariser is on documents with summaries: printed, and returned as plain JSON.

    With `out` a run folder is written, too. Raises SteepError for whatever is wrong.
    """
    if out is not None:
        find_place(out, "folder", args.output.overwrite, inputs_of(args, folder, source))
    known, reference = read_settings(folder)["columns"], args.reference
    columns = replace(args.documents, text=args.documents.text or known["text"])
    if not (reference.summary or reference.sentence_labels):
        reference = ReferenceArgs(**{name: of for name, of in known.items() if name != "text"})
    corpus = docs.usable(docs.read_documents(source, columns, reference))
    made, rule = _loaded(folder, args)
    notes = [*corpus.notes, *_seen(corpus, folder)]
    for note in notes:
        say(note)
    results: dict[str, Any] = {"model": str(folder), "rule": rule.described()}
    results |= {"rule_in_words": str(rule), "rouge_settings": described(made.words)}
    results |= {"test": _measured(made, corpus, rule, args)}
    tell(f"{corpus.source}: {len(corpus):,} documents, summaries of {rule}")
    for line in ways.lines_of(results["test"]):
        tell(f"  {line}")
    if out is not None:
        with outputs.writing(out, "summarize evaluate", args, args.output.overwrite) as run:
            files = [{"name": corpus.source, "rows": len(corpus), "fingerprint": ""}]
            run.record(base=str(folder), device=str(made.reader.machine.device), notes=notes)
            run.record(data={"files": files, "parts": {"test": len(corpus)}, "labels": {}})
            runs.write_json(run.folder / runs.RESULTS, results)
        say_next(shlex.join(["steep", "report", str(out)]))
    return results


def _measured(
    made: "Summariser", corpus: Corpus, rule: Rule, args: SummaryEvaluateArgs
) -> dict[str, Any]:
    """All that is measured on these documents."""
    draws, seed = Draws(args.intervals.resamples, args.seed.seed), args.seed.seed
    documents = track(docs.documents_of(corpus, made.splitter), len(corpus), "finding the oracle")
    cases: list[Labelled] = [labelled(one, WORDS[made.words]) for one in documents]
    sentences = [case.document.sentences for case in cases]
    scores = made.reader.scores(sentences, args.batch.size)
    found = ways.summary_of(cases, rule, scores, draws)
    if args.look.shuffled:
        orders = [numbers(seed, "shuffled", i).permutation(len(s)) for i, s in enumerate(sentences)]
        mixed = [[s[i] for i in order] for s, order in zip(sentences, orders, strict=True)]
        other = made.reader.scores(mixed, args.batch.size)
        back = [own[np.argsort(order)] for own, order in zip(other, orders, strict=True)]
        lost = ways.worth(cases, rule, back) - ways.worth(cases, rule, scores)
        found["shuffled"] = ways.interval(lost, draws)
    return found


def _seen(corpus: Corpus, folder: Path) -> list[str]:
    """How many of the documents the summariser was trained on."""
    known = int(np.isin(corpus_hashes(corpus), runs.read_hashes(folder)).sum())
    share = f"the summariser was trained on {known:,} of {len(corpus):,} documents"
    return [f"{corpus.source}: {share}: its scores on them are optimistic"] if known else []
