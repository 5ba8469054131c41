"""How good are summarisers, with and without step 2, beside lead and TextRank? And how fast?

    python -m benchmarks.summaries --data FOLDER --model DIR --out summaries

On news of the BBC with extractive references (`bbc_news_summary`) and of CNN with highlights
(`cnn_dailymail`, the first 1,000 validation articles), as others published them. Two lines a set:
what lead and the oracle are worth on all its documents, and a study of `steep summarize compare`;
and how many documents a second are scored, beside a plain loop over Hugging Face's model
with one window a batch, and what memory that takes. Each line is kept in the results file when it
is there, so the same command resumes; so does a study that was stopped. `--documents 200` makes it
a small one, `--line` only some lines.
"""

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import AutoModel

from benchmarks.memory import memory
from steep import runs
from steep.args import MachineArgs
from steep.console import say
from steep.data.words import learn_punkt
from steep.metrics.weighted import Draws
from steep.models.devices import choose
from steep.options import make
from steep.shelf import summarize
from steep.shelf.summarize import DocumentArgs, ReadingArgs, ReferenceArgs, SummaryCompareArgs
from steep.shelf.summarize.choose import Rule, greedy, labelled
from steep.shelf.summarize.documents import as_json, documents_of, from_json, read_documents, usable
from steep.shelf.summarize.measure import LEAD, baseline_picks, interval, score_picks
from steep.shelf.summarize.model import Reader, start_reader
from steep.shelf.summarize.rouge import NAMES, english_words

RESULTS = Path(__file__).parent / "results" / "summaries.json"
LONGEST, WORDS = 10_000, 600  # documents that are scored, and the words of each
CHUNK, PLAIN = 256, 200  # documents scored together; those that the plain loop is timed on


def bbc(folder: Path) -> pd.DataFrame:
    """Articles of five topics; the references are sentences of them (who chose them is unknown).

    The first line of an article is its title: no reference has it, and lead would begin with it.
    """
    path = folder / "bbc_news_summary" / "bbc_news_summary.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    names = [f"{row['category']}/{row['file']}" for row in rows]
    table = pd.DataFrame(rows)[["article", "summary"]].assign(id=names)
    table["article"] = [article.partition("\n")[2].strip() for article in table["article"]]
    return table.sample(frac=1, random_state=0)


def cnn(folder: Path) -> pd.DataFrame:
    """Articles with their highlights."""
    table = pd.read_csv(folder / "cnn_dailymail" / "validation_subset_1000.csv.gz")
    return table.rename(columns={"highlights": "summary"})[["id", "article", "summary"]]


SETS: dict[str, Callable[[Path], pd.DataFrame]] = {"cnn": cnn, "bbc": bbc}


def write(name: str, options: argparse.Namespace) -> Path:
    """The documents of a set as JSON lines."""
    path = options.out / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = SETS[name](options.data)[: options.documents]
    table.to_json(path, orient="records", lines=True, force_ascii=False)
    return path


def bounds(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Lead-3 and the greedy oracle of at most three sentences, on all documents of a set."""
    asked = make(ReferenceArgs, summary="summary")
    corpus = usable(read_documents(write(name, options), DocumentArgs(text="article"), asked))
    splitter, words = from_json(as_json(learn_punkt(corpus))), english_words
    cases = [labelled(one, words) for one in documents_of(corpus, splitter)]
    rule = Rule("sentences", 3, block=False)
    picks = {
        "lead-3": baseline_picks(cases, rule, 0)[LEAD],
        "oracle-3": [sorted(greedy(c.words, c.reference, 3)) for c in cases],
        "labels": [case.chosen for case in cases],
    }
    draws = Draws(1000, 0)
    return {
        "documents": len(cases),
        "sentences": float(np.mean([len(case.words) for case in cases])),
        "rouge": {
            way: {n: interval(scores[:, i], draws) for i, n in enumerate(NAMES)}
            for way, scores in ((way, score_picks(cases, own)) for way, own in picks.items())
        },
    }


def study(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """A study of base and adapted on a set; its folder is kept, and resumed."""
    started, out = time.monotonic(), options.out / f"{name}-study"
    given = make(SummaryCompareArgs, **json.loads(options.options))
    summarize.compare(
        write(name, options),
        options.model,
        out=out,
        text="article",
        summary="summary",
        seeds=options.seeds,
        device=options.device,
        adapt={"epochs": options.step2, "max_length": options.length},
        **json.loads(options.options),
    )
    found = runs.read_json(out / runs.VERDICT)
    cells = [runs.read_json(path) for path in sorted((out / runs.CELLS).glob("*.json"))]
    rows = [
        {k: c[k] for k in ("arm", "seed", "seconds", "rule")} | {"rouge": c["test"]}
        for c in cells
        if "seconds" in c  # trained
    ]
    keys = ("answer", "sentence", "lines", "documents", "arms")
    return {
        **{key: found[key] for key in keys},
        "epochs": given.training.epochs.count,
        "cells": rows,
        "minutes": round((time.monotonic() - started) / 60, 1),
    }


def rate(options: argparse.Namespace) -> dict[str, Any]:
    """Documents a second, by Steep and by a plain loop, and memory as more are scored."""
    words = " ".join(cnn(options.data)["article"]).split()
    machine = choose(make(MachineArgs, device=options.device))
    reader = start_reader(str(options.model), ReadingArgs(), machine, seed=0)
    machine.prepare(reader.scorer.model, 0)
    seen, started, count = [], time.monotonic(), min(LONGEST, options.documents or LONGEST)
    for first in range(0, count, CHUNK):
        chunk = [document(words, i) for i in range(first, min(first + CHUNK, count))]
        reader.scores(chunk, 16)
        seen.append({"documents": first + len(chunk)} | memory(os.getpid()))
    seconds = time.monotonic() - started
    return {
        "documents": count,
        "words": WORDS,
        "steep_per_second": count / seconds,
        "plain_per_second": plain_rate(reader, options, words),
        "memory": [seen[0], seen[len(seen) // 2], seen[-1]],
    }


def plain_rate(reader: Reader, options: argparse.Namespace, words: list[str]) -> float:
    """Documents a second of Hugging Face's model in fp32, one window a batch, as it comes."""
    model = (
        AutoModel.from_pretrained(options.model)
        .eval()
        .to(choose(make(MachineArgs, device=options.device)).device)
    )
    known = reader.scorer.channels
    count = min(PLAIN, options.documents or PLAIN)
    started = time.monotonic()
    with torch.inference_mode():
        for i in range(count):
            windows = reader.windows([document(words, i)])
            for number in range(len(windows.spans)):
                laid = windows.laid(np.array([number]))
                length = int(laid.inputs[0, 1].sum())  # without padding
                names = ("input_ids", "attention_mask", "token_type_ids")
                parts = zip(names, torch.from_numpy(laid.inputs).unbind(1), strict=False)
                given = {n: p[:, :length].to(model.device) for n, p in parts if n in known}
                model(**given).last_hidden_state.float().cpu()
    return count / (time.monotonic() - started)


def document(words: list[str], number: int) -> list[str]:
    """A document of `WORDS` words in sentences of 20, from a place in the words of all articles."""
    start = number * 97 % (len(words) - WORDS)
    own = words[start : start + WORDS]
    return [" ".join(own[i : i + 20]) for i in range(0, WORDS, 20)]


def main() -> None:
    """One line after the other; the results file holds those that are finished."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the public data sets")
    add("--model", type=Path, required=True, help="checkpoint that all start from")
    add("--out", type=Path, default=Path("summaries"), help="folder for documents and studies")
    add("--line", action="append", help="only this line (repeatable)")
    add("--documents", type=int, help="of a set, at most")
    add("--seeds", type=int, default=3)
    add("--step2", type=float, default=3.0, help="passes of step 2 over the training documents")
    add("--length", type=int, default=256, help="tokens of a window of step 2")
    add("--options", default="{}", help="further options of the study, as JSON")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    lines: dict[str, Callable[[], dict[str, Any]]] = {"rate": lambda: rate(options)}
    for name in SETS:
        lines[f"{name} bounds"] = lambda name=name: bounds(name, options)
        lines[f"{name} study"] = lambda name=name: study(name, options)
    found = runs.read_json(options.results) if options.results.is_file() else {}
    for name in options.line or sorted(lines):
        if name in found:
            say(f"{name}: there already")
            continue
        found[name] = lines[name]()
        options.results.parent.mkdir(parents=True, exist_ok=True)
        runs.write_json(options.results, found)
        print(name, json.dumps(found[name]), flush=True)


if __name__ == "__main__":
    main()
