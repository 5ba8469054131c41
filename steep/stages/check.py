"""steep check: what is in a table, what will go wrong, and what it will cost."""

from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import CheckArgs
from steep.console import out as console
from steep.console import say
from steep.data import duplicates, vocabulary
from steep.data.corpus import Corpus, Data, join
from steep.data.load import load
from steep.data.tokens import Tokens, tokenize
from steep.errors import SteepError
from steep.stages import facts
from steep.stages.words import lines
from steep.study.forecast import forecast

LENGTHS = (64, 128, 256, 512)
FEW = 10  # rows of a class below which its scores mean little
RARE = 0.05  # share of rows below which a label is easily never predicted


def check(source: Data | str | Path, *, args: CheckArgs | None = None) -> dict[str, Any]:
    """What is in a table: printed, and returned as plain JSON.

    With a checkpoint (`args.model`), lengths are in its tokens, and the time of adapt and fit is
    estimated from a few seconds of real training steps on this machine. Raises SteepError for
    whatever is wrong with the file, the options or the checkpoint.
    """
    args = args or CheckArgs()
    if args.out is not None and args.out.is_dir():
        raise SteepError(f"{args.out} is a folder; --out must name a JSON file.")
    data = source if isinstance(source, Data) else load(Path(source), args)
    everything = join(list(data.parts.values()))
    findings = facts.describe(data) | {"notes": list(data.notes)}
    say("looking for duplicates ...")
    findings["notes"] += [n for n in duplicates.find(data).notes() if n not in data.notes]
    if data.task is not None:
        findings["task"] = data.task.described()
        findings["warnings"] = _label_warnings(data)
    if args.model is None:
        findings["words"] = _lengths(_word_counts(everything))
    else:
        findings |= _with_checkpoint(data, everything, args.model, args)
    for line in lines(findings):
        console.print(line, markup=False)
    if args.out is not None:
        with runs.explained(args.out):
            args.out.parent.mkdir(parents=True, exist_ok=True)
            runs.write_json(args.out, findings)
    return findings


def _with_checkpoint(data: Data, everything: Corpus, model: str, args: CheckArgs) -> dict[str, Any]:
    """Lengths in the checkpoint's tokens, what some lengths cut off, and the time it takes."""
    from steep.models.checkpoints import load_tokenizer
    from steep.train import pace

    tokenizer = load_tokenizer(model)
    tokens = tokenize(everything, tokenizer)
    time = pace.estimate(data, args)
    hopes = {}
    if data.task is not None:
        hopes["forecast"] = str(forecast(len(data.train), time["own_head"]))
    return {
        **hopes,
        "vocabulary": vocabulary.fit(everything, tokenizer, len(tokens.ids)),
        "tokens": _lengths(tokens.lengths) | {"unknown": _unknown(tokens, tokenizer.unk_token_id)},
        "truncation": {str(n): _lost(tokens.lengths, n) for n in LENGTHS},
        "time": time,
    }


def _word_counts(corpus: Corpus) -> np.ndarray:
    return np.array([len(text.split()) for texts in corpus.texts() for text in texts])


def _lengths(lengths: np.ndarray) -> dict[str, float]:
    """Mean, median, 95th percentile and longest."""
    middle, high = np.percentile(lengths, [50, 95])
    return {
        "total": int(lengths.sum()),
        "mean": round(float(lengths.mean()), 1),
        "median": float(middle),
        "p95": float(high),
        "longest": int(lengths.max()),
    }


def _lost(lengths: np.ndarray, max_length: int) -> dict[str, float]:
    """What inputs of `max_length` tokens, two of them special, would cut off."""
    over = np.maximum(lengths - (max_length - 2), 0)
    return {
        "texts": round(float((over > 0).mean()), 4),
        "tokens": round(float(over.sum() / max(lengths.sum(), 1)), 4),
    }


def _unknown(tokens: Tokens, unknown: int | None) -> float:
    """The share of tokens that the tokenizer does not know; `unknown` is the id it gives them."""
    count = int((tokens.ids == unknown).sum()) if unknown is not None else 0
    return round(count / max(len(tokens.ids), 1), 5)


def _label_warnings(data: Data) -> list[str]:
    """What the label counts will make difficult."""
    warnings = []
    for part, counts in facts.describe(data)["labels"].items():
        few = [f"{name} ({count})" for name, count in counts.items() if 0 < count < FEW]
        if few:
            more = f" and {len(few) - 5} more" if len(few) > 5 else ""
            warnings.append(f"{part}: fewer than {FEW} rows of {', '.join(few[:5])}{more}")
    counts = facts.label_counts(data.train)
    if counts and data.task and data.task.kind == "single":
        largest = max(counts.values()) / sum(counts.values())
        if largest > 0.8:
            warnings.append(
                f"{largest:.0%} of the training rows are of one class: accuracy flatters; look at "
                "macro_f1, or choose it with --metric; --class-weights balanced makes the other "
                "classes count more"
            )
    if data.task and data.task.kind == "multi":
        rare = [name for name, n in counts.items() if 0 < n < RARE * len(data.train)]
        if rare:
            warnings.append(
                f"fewer than {RARE:.0%} of the training rows have {', '.join(rare[:5])}"
                + (f" and {len(rare) - 5} more labels" if len(rare) > 5 else "")
                + ": --class-weights effective makes them count more, if they are to be found"
            )
    return warnings
