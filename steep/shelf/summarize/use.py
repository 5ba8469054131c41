"""steep summarize predict and evaluate: a summariser is used, and measured."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steep import outputs, runs
from steep.args import MachineArgs
from steep.console import say, say_next, tell, track
from steep.data.corpus import Corpus
from steep.data.duplicates import corpus_hashes
from steep.data.raw import chunks
from steep.data.readers import Source, is_texts
from steep.metrics.weighted import Draws
from steep.places import find_place, inputs_of
from steep.seeds import numbers
from steep.shelf.summarize import (
    ReferenceArgs,
    SummaryEvaluateArgs,
    SummaryPredictArgs,
)
from steep.shelf.summarize import measure as ways
from steep.shelf.summarize.choose import Labelled, Rule, labelled, rules_of, settled
from steep.shelf.summarize.documents import (
    Document,
    documents_of,
    read_documents,
    rows_in_words,
    usable,
)
from steep.shelf.summarize.folder import read_settings
from steep.shelf.summarize.rouge import WORDS, described

if TYPE_CHECKING:
    from steep.shelf.summarize.model import Summariser

CHUNK = 256  # documents that are read, scored and written together


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


def _summaries(folder: Path, source: Any, args: SummaryPredictArgs) -> Iterator[dict[str, Any]]:
    """A dictionary for each document."""
    known = read_settings(folder)["columns"]
    corpus = read_documents(
        source, replace(args.documents, text=args.documents.text or known["text"])
    )
    for note in corpus.notes:
        say(note)
    rules_of(args.size)
    made = _loaded(folder, args.machine)
    rule, words = settled(args.size, made.rule), WORDS[made.words]
    empty: list[int] = []
    parts = chunks(documents_of(corpus, made.splitter), CHUNK)
    for chunk in track(parts, -(-len(corpus) // CHUNK), "summarising"):
        sentences = [document.sentences for document in chunk]
        for document, scores in zip(
            chunk, made.reader.scores(sentences, args.batch.size), strict=True
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


def _loaded(folder: Path, given: MachineArgs) -> "Summariser":
    from steep.models.devices import choose
    from steep.shelf.summarize.model import load_summariser

    return load_summariser(folder, choose(given))


def evaluate(
    folder: Path, source: Source, *, out: Path | None, args: SummaryEvaluateArgs
) -> dict[str, Any]:
    """How good a summariser is on documents with summaries: printed, and returned as plain JSON.

    With `out` a run folder is written, too. Raises SteepError for whatever is wrong.
    """
    if out is not None:
        find_place(out, "folder", args.output.overwrite, inputs_of(args, folder, source))
    known = read_settings(folder)["columns"]
    reference = args.reference
    if not (reference.summary or reference.sentence_labels):
        own = {name: known[name] for name in ("summary", "sentence_labels") if name in known}
        reference = ReferenceArgs(**own)
    corpus = usable(
        read_documents(
            source, replace(args.documents, text=args.documents.text or known["text"]), reference
        )
    )
    rules_of(args.size)
    made = _loaded(folder, args.machine)
    rule = settled(args.size, made.rule)
    notes = [*corpus.notes, *_seen(corpus, folder)]
    for note in notes:
        say(note)
    documents = track(documents_of(corpus, made.splitter), len(corpus), "finding the oracle")
    cases = [labelled(one, WORDS[made.words]) for one in documents]
    results: dict[str, Any] = {"model": str(folder), "rule": rule.described()}
    results |= {"rule_in_words": str(rule), "rouge_settings": described(made.words)}
    results |= {"test": _measured(made, cases, rule, args)}
    tell(f"{corpus.source}: {len(cases):,} documents, summaries of {rule}")
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
    made: "Summariser", cases: list[Labelled], rule: Rule, args: SummaryEvaluateArgs
) -> dict[str, Any]:
    """All that is measured on these documents."""
    draws, seed = Draws(args.intervals.resamples, args.seed.seed), args.seed.seed
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
    if not known:
        return []
    share = f"the summariser was trained on {known:,} of {len(corpus):,} documents"
    return [f"{corpus.source}: {share}: its scores on them are optimistic"]
