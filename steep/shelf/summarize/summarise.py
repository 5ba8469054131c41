"""steep summarize fit, predict, evaluate: a summariser is trained, used, and measured."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pandas as pd

from steep import outputs, runs
from steep.args import MachineArgs
from steep.args.training import BaseArgs
from steep.console import say, say_next, tell, track
from steep.data.corpus import Corpus, Data, record_data
from steep.data.duplicates import corpus_hashes
from steep.data.raw import chunks
from steep.data.readers import Source, is_texts
from steep.metrics.weighted import Draws
from steep.models.checkpoint_files import check_checkpoint
from steep.models.fit_defaults import RATE, RATE_SMALL, SMALL, weights_of
from steep.models.hub import find, no_checkpoint
from steep.options import change
from steep.places import find_place, inputs_of
from steep.seeds import numbers
from steep.shelf.summarize import (
    DocumentArgs,
    ReferenceArgs,
    SummaryEvaluateArgs,
    SummaryFitArgs,
    SummaryPredictArgs,
)
from steep.shelf.summarize import measure as ways
from steep.shelf.summarize.card import write_summary_card
from steep.shelf.summarize.choose import Rule, rules_of, settled
from steep.shelf.summarize.documents import (
    Document,
    documents_of,
    read_documents,
    rows_in_words,
    split_documents,
    usable,
)
from steep.shelf.summarize.labels import labelled
from steep.shelf.summarize.measure import Case, cases_of
from steep.stages.fit import leaks, splits_of

if TYPE_CHECKING:
    from steep.models.devices import Machine
    from steep.shelf.summarize.model import Summariser
    from steep.train.session import Session

STAGE = "summarize fit"
CHUNK = 256  # documents that are read, scored and written together


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
    ready = prepare(data, args.training.rouge, run.note)
    made = train(ready, start, args.training, seed, opened.machine, run.note, opened.saves)
    results = made.results(Draws(args.intervals.resamples, seed))
    runs.write_csv(run.folder / runs.HISTORY, made.history)
    runs.write_json(run.folder / runs.RESULTS, results)
    runs.write_hashes(run.folder, corpus_hashes(data.train))
    columns = columns_of(args.documents, args.reference)
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


def columns_of(documents: DocumentArgs, reference: ReferenceArgs) -> dict[str, str]:
    """The names of the columns, by option, for later uses of the summariser."""
    found = {"text": documents.text or "text"}
    if reference.sentence_labels:
        return found | {"sentence_labels": reference.sentence_labels}
    return found | {"summary": reference.summary or "summary"}


def identity_of(data: Data) -> dict[str, Corpus]:
    """All that a run depends on: documents, and what they are to say."""
    found = dict(data.parts)
    for part, corpus in data.parts.items():
        role = "marks" if "marks" in corpus.table.column_names else "summary"
        cells = [
            "\n".join(x or "" for x in c) if role == "marks" else c for c in corpus.table[role]
        ]
        table = datasets.Dataset.from_dict({"row": corpus.table["row"][:], "text": cells})
        found[f"{part} {role}"] = Corpus(table, corpus.source)
    return found


def predict(
    folder: Path,
    source: Source | Sequence[Any],
    *,
    out: Path | None,
    args: SummaryPredictArgs,
) -> pd.DataFrame | Path:
    """A summary of each document in the order given, as a DataFrame, or written to `out`.

    A line of JSON each: id, summary, its sentences, their numbers (from 1) and scores. Of an empty
    document the summary is empty. In memory are some documents at a time. Raises SteepError for
    whatever is wrong.
    """
    if out is None:
        return pd.DataFrame(_summaries(folder, source, args))
    inputs = inputs_of(args, folder, *(() if is_texts(source) else (source,)))
    with outputs.writing_file(out, "JSON", args.output.overwrite, inputs) as file:
        count = 0
        with file.open("w", encoding="utf-8") as stream:
            for line in _summaries(folder, source, args):
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
    say(f"summaries: {out} ({count:,} documents)")
    return out


def _summaries(folder: Path, source: Any, args: SummaryPredictArgs) -> Any:
    """A dictionary for each document."""
    from steep.shelf.summarize.model import read_settings

    known = read_settings(folder)["columns"]
    corpus = read_documents(source, _documents(args.documents, known))
    for note in corpus.notes:
        say(note)
    rules_of(args.size)
    made, machine = _loaded(folder, args.machine)
    rule, words, empty = settled(args.size, made.rule), made.counted(), []
    parts = chunks(documents_of(corpus, made.splitter), CHUNK)
    for chunk in track(parts, -(-len(corpus) // CHUNK), "summarising"):
        sentences = [document.sentences for document in chunk]
        for document, scores in zip(
            chunk, made.reader.scores(sentences, machine, args.batch.size), strict=True
        ):
            own = [words(sentence) for sentence in document.sentences]
            empty += [] if any(own) else [document.row]
            yield _line(document, scores, rule.choose(scores, own))
    if empty:
        told = f"{len(empty):,} of {len(corpus):,} documents are empty"
        say(f"{corpus.source}: {told} ({rows_in_words(empty)}): so are their summaries")


def _line(document: Document, scores: np.ndarray, chosen: Sequence[int]) -> dict[str, Any]:
    sentences = [document.sentences[i] for i in chosen]
    return {
        "id": document.id,
        "summary": " ".join(sentences),
        "sentences": sentences,
        "numbers": [i + 1 for i in chosen],
        "scores": [round(float(scores[i]), 6) for i in chosen],
    }


def _documents(given: DocumentArgs, known: dict[str, str]) -> DocumentArgs:
    return replace(given, text=given.text or known["text"])


def _loaded(folder: Path, given: MachineArgs) -> tuple["Summariser", "Machine"]:
    from steep.models.devices import choose
    from steep.shelf.summarize.model import load_summariser

    machine = choose(given)
    return load_summariser(folder, machine), machine


def evaluate(
    folder: Path, source: Source, *, out: Path | None, args: SummaryEvaluateArgs
) -> dict[str, Any]:
    """How good a summariser is on documents with summaries: printed, and returned as plain JSON.

    With `out` a run folder is written, too. Raises SteepError for whatever is wrong.
    """
    from steep.shelf.summarize.model import read_settings

    if out is not None:
        find_place(out, "folder", args.output.overwrite, inputs_of(args, folder, source))
    known = read_settings(folder)["columns"]
    reference = args.reference
    if not (reference.summary or reference.sentence_labels):
        own = {name: known[name] for name in ("summary", "sentence_labels") if name in known}
        reference = ReferenceArgs(**own)
    corpus = usable(read_documents(source, _documents(args.documents, known), reference))
    rules_of(args.size)
    made, machine = _loaded(folder, args.machine)
    rule = settled(args.size, made.rule)
    notes = [*corpus.notes, *_seen(corpus, folder)]
    for note in notes:
        say(note)
    cases = cases_of(list(label_all(corpus, made)))
    results: dict[str, Any] = {"model": str(folder), "rule": rule.described()}
    results["rule_in_words"] = str(rule)
    results |= {"test": _measured(made, machine, cases, rule, args)}
    tell(f"{corpus.source}: {len(cases):,} documents, summaries of {rule}")
    for line in ways.lines_of(results["test"]):
        tell(f"  {line}")
    if "shuffled" in results["test"]:
        lost = results["test"]["shuffled"]
        tell(
            f"  sentences in random order: {lost['value']:+.2f} points of ROUGE "
            f"({lost['low']:+.2f} to {lost['high']:+.2f})"
        )
    if out is not None:
        with outputs.writing(out, "summarize evaluate", args, args.output.overwrite) as run:
            files = [{"name": corpus.source, "rows": len(corpus), "fingerprint": ""}]
            run.record(base=str(folder), device=str(machine.device), notes=notes)
            run.record(data={"files": files, "parts": {"test": len(corpus)}, "labels": {}})
            runs.write_json(run.folder / runs.RESULTS, results)
        say_next(shlex.join(["steep", "report", str(out)]))
    return results


def label_all(corpus: Corpus, made: "Summariser") -> Any:
    """The documents with their labels; SteepError where none has a sentence."""
    words = made.counted()
    documents = documents_of(corpus, made.splitter)
    for document in track(documents, len(corpus), "finding the oracle's sentences"):
        yield labelled(document, words)


def _measured(
    made: "Summariser",
    machine: "Machine",
    cases: list[Case],
    rule: Rule,
    args: SummaryEvaluateArgs,
) -> dict[str, Any]:
    """All that is measured on these documents."""
    draws, seed = Draws(args.intervals.resamples, args.seed.seed), args.seed.seed
    sentences = [case.labelled.document.sentences for case in cases]
    scores = made.reader.scores(sentences, machine, args.batch.size)
    found = ways.summary_of(cases, rule, scores, draws)
    if args.look.shuffled:
        orders = [numbers(seed, "shuffled", i).permutation(len(s)) for i, s in enumerate(sentences)]
        mixed = [[s[i] for i in order] for s, order in zip(sentences, orders, strict=True)]
        other = made.reader.scores(mixed, machine, args.batch.size)
        back = [own[np.argsort(order)] for own, order in zip(other, orders, strict=True)]
        both = [
            ways.headline(ways.score_picks(cases, ways.model_picks(cases, rule, own)))
            for own in (back, scores)
        ]
        found["shuffled"] = ways.interval(both[0] - both[1], draws)
    return found


def _seen(corpus: Corpus, folder: Path) -> list[str]:
    """How many of the documents the summariser was trained on."""
    known = int(np.isin(corpus_hashes(corpus), runs.read_hashes(folder)).sum())
    if not known:
        return []
    share = f"the summariser was trained on {known:,} of {len(corpus):,} documents"
    return [f"{corpus.source}: {share}: its scores on them are optimistic"]
