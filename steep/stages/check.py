"""steep check: what is in a table, what will go wrong, and what it will cost."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import AdaptArgs, CheckArgs, CompareArgs, FitArgs, TuneArgs
from steep.args.training import LengthArgs
from steep.console import say, say_next, tell
from steep.data.corpus import Corpus, Data, describe, join_corpora, label_counts
from steep.data.duplicates import find_conflicts, repeat_notes
from steep.data.grouped_looks import asks_for_groups
from steep.data.guard import Copy
from steep.data.load import load
from steep.data.readers import Source
from steep.data.tokens import Tokens, tokenize
from steep.data.words import has_unspaced, vocabulary_fit, words_in
from steep.models.fit_defaults import settled_for
from steep.options import as_mapping
from steep.outputs import writing_file
from steep.places import inputs_of
from steep.reports.reproduce import command_line
from steep.study import evidence, starts
from steep.study.forecast import forecast
from steep.wording import counted, duration, listed, quoted, some

LENGTHS = (64, 128, 256, 512)
SPECIAL = 2  # tokens of an input that are not of its text
FEW = 10  # rows of a class below which its scores mean little
ACCENTED = 0.005  # share of words with accents, below which they are names and slips
FOREIGN = 0.2  # share of words that are one token, below which a vocabulary is of other texts
OTHER_TEXT = ": it was made for other texts; look for a checkpoint of this language or field"
RARE = 0.05  # share of rows below which a label is easily never predicted


def check(source: Source | Data, *, args: CheckArgs, out: Path | None = None) -> dict[str, Any]:
    """What is in a table: printed, and returned as plain JSON; written to the file `out`, too.

    With a checkpoint, lengths are in its tokens, and the time of adapt and fit is estimated from a
    few seconds of real training steps on this machine. Raises SteepError for whatever is wrong with
    the file, the options or the checkpoint.
    """
    inputs = inputs_of(args, source)
    with writing_file(out, "JSON", args.output.overwrite, inputs) if out else nullcontext() as file:
        findings = _findings(source, args)
        if file:
            runs.write_json(file, findings)
    for line in _lines(findings):
        tell(line)
    if isinstance(source, str | Path):
        _say_next(source, args, "fit" if "task" in findings else "adapt")
    return findings


def _say_next(source: str | Path, args: CheckArgs, stage: str) -> None:
    """The commands that take the same file further, with the same options."""
    kind, out = (FitArgs, "model") if stage == "fit" else (AdaptArgs, "adapted")
    values = as_mapping(args) | {"model": args.start.model or "bert-base-uncased"}
    if stage == "fit":
        study = command_line("compare", CompareArgs, values, [source], "study")
        say(f"with and without step 2, to see whether it pays: {study}")
    say_next(command_line(stage, kind, values, [source], out))


def _findings(source: Source | Data, args: CheckArgs) -> dict[str, Any]:
    data = load(source, args.table, args.split)
    everything = join_corpora(list(data.parts.values()))
    findings = describe(data) | {"notes": list(data.notes)}
    findings["notes"] += [note for note in repeat_notes(data) if note not in data.notes]
    if data.copies is not None:
        findings["copies"] = asdict(data.copies)
    if data.table.groups.group is None:
        findings["notes"] += asks_for_groups(everything)
    if data.task is not None:
        findings["task"] = data.task.described()
        findings["warnings"] = _label_warnings(data)
        findings["conflicts"] = asdict(find_conflicts(data.parts.values()))
    if args.start.model is None:
        findings["words"] = _in_words(everything)
    else:
        findings |= _with_checkpoint(data, everything, args.start.model, args)
    if args.rank.rank:
        findings["starts"] = _starts(data, args)
    return findings


def _starts(data: Data, args: CheckArgs) -> dict[str, Any]:
    """The checkpoints that are named, as starts: see `steep.study.starts`."""
    from steep.models.devices import choose

    names = [name for name in (args.start.model, *args.rank.rank) if name]
    length, machine = LengthArgs().max_length, choose(args.machine)
    return starts.rank_starts(data, names, length, machine, args.seed.seed)


def _with_checkpoint(data: Data, everything: Corpus, model: str, args: CheckArgs) -> dict[str, Any]:
    """Lengths in the checkpoint's tokens, what some lengths cut off, and the time it takes."""
    from steep.models.checkpoints import load_tokenizer
    from steep.models.devices import choose
    from steep.train import pace

    known, tokenizer = evidence.known(args.evidence.evidence), load_tokenizer(model)
    tokens = tokenize(everything, tokenizer)
    tune = TuneArgs() if data.task is None else settled_for(TuneArgs(), data, model)
    time = pace.estimate(data, model, choose(args.machine), args.seed.seed, tune)
    if "fit" in time:
        time["fit"]["epochs"] = tune.epochs.count
    hopes = {}
    if data.task is not None:
        hopes["forecast"] = str(forecast(len(data.train), time["own_head"], known))
    if not data.train.has_pairs:
        longest = int(tokens.lengths.max()) + SPECIAL
        hopes["kept_whole"] = _kept_whole(longest, time["positions"])
    return {
        **hopes,
        "vocabulary": vocabulary_fit(everything, tokenizer, len(tokens.ids)),
        "tokens": _lengths(tokens.lengths) | {"unknown": _unknown(tokens, tokenizer.unk_token_id)},
        "truncation": {str(n): _lost(tokens.lengths, n) for n in LENGTHS},
        "time": time,
    }


def _in_words(corpus: Corpus) -> dict[str, float]:
    """Lengths in words, and how many texts are, in part, of a script that writes no blanks."""
    counts, unspaced = [], 0
    for texts in corpus.texts():
        counts += [len(words_in(text)) for text in texts]
        unspaced += sum(map(has_unspaced, texts))
    return _lengths(np.array(counts)) | {"unspaced": unspaced}


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
    over = np.maximum(lengths - (max_length - SPECIAL), 0)
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
    for part, counts in describe(data)["labels"].items():
        few = [f"{name} ({count})" for name, count in counts.items() if 0 < count < FEW]
        if few:
            warnings.append(f"{part}: fewer than {FEW} rows of {some(few)}")
    counts = label_counts(data.train)
    if counts and data.task and data.task.kind == "single":
        largest = max(counts.values()) / sum(counts.values())
        if largest > 0.8:
            warnings.append(
                f"{largest:.0%} of the training rows are of one class: accuracy is misleading; "
                "look at macro_f1, or choose it with --metric; --class-weights balanced "
                "up-weights the other classes"
            )
    if data.task and data.task.kind == "multi":
        rare = [name for name, n in counts.items() if 0 < n < RARE * len(data.train)]
        if rare:
            warnings.append(
                f"fewer than {RARE:.0%} of the training rows have {some(rare)}: --class-weights "
                "effective up-weights them"
            )
    return warnings


def _lines(findings: dict[str, Any]) -> list[str]:
    """The findings as lines to print."""
    parts = [f"{count:,} {part}" for part, count in findings["parts"].items()]
    files = [f"{file['name']} ({file['rows']:,} rows)" for file in findings["files"]]
    text = [f"{', '.join(files)}: {', '.join(parts)}"]
    text += [f"  {note}" for note in findings["notes"] if not note.startswith("rows:")]
    labels = sorted(findings["labels"].get("train", {}).items(), key=lambda item: -item[1])
    if labels:
        shown = [f"{name} {count:,}" for name, count in labels]
        text.append(f"labels of the training rows: {some(shown, 8)}")
    for unit in ("words", "tokens"):
        if unit in findings:
            text.append(_length(findings[unit], unit))
    if "vocabulary" in findings:
        found = findings["vocabulary"]
        text.append(
            f"  vocabulary: {found['tokens_a_word']:.2f} tokens a word; {found['whole']:.0%} of "
            f"the {found['words']:,} most frequent words are one token"
            + (OTHER_TEXT if found["whole"] < FOREIGN else "")
        )
        text += _accents(found)
    for length, lost in findings.get("truncation", {}).items():
        text.append(
            f"  cut at {length:>3} tokens: {lost['texts']:.1%} of texts, {lost['tokens']:.1%} of "
            "all tokens lost"
        )
    if "kept_whole" in findings:
        text.append(f"  {findings['kept_whole']}")
    conflicts = findings.get("conflicts", {}).get("examples", [])
    copies = findings.get("copies", {}).get("examples", [])
    text += [f"  copy: {Copy(**one).line()}" for one in copies]
    text += [f"  different labels: {quoted(t)}: {listed(list(names))}" for t, names in conflicts]
    text += [f"warning: {warning}" for warning in findings.get("warnings", [])]
    text += _time(findings.get("time", {}))
    if "forecast" in findings:
        text.append(findings["forecast"])
    if "starts" in findings:
        text += starts.lines(findings["starts"])
    return text


def _accents(found: dict[str, Any]) -> list[str]:
    """That the tokenizer drops accents, where it does, and which words it thereby confuses."""
    if found["unaccented"] < ACCENTED:
        return []
    told = f"  accents: the tokenizer drops them in {found['unaccented']:.1%} of the words"
    if found["merged"]:
        pairs = [f"{word} as {other}" for word, other in found["merged_examples"]]
        told += f", and reads {counted(found['merged'], 'word')} as another ({listed(pairs)})"
    return [f"{told}; a cased checkpoint of the language keeps them"]


def _kept_whole(longest: int, positions: int) -> str:
    """Which options keep all of texts of these tokens, where the default cuts some off."""
    usual = LengthArgs().max_length
    if longest <= min(usual, positions):
        return f"the default, --max-length {usual}, cuts nothing off"
    if longest <= positions:
        return f"--max-length {longest} would cut nothing off; the default is {usual}"
    windows = -(-(longest - SPECIAL) // (positions - SPECIAL))
    return (
        f"the checkpoint reads {positions:,} tokens at once: --max-length {positions} --truncation "
        f"sliding-mean --max-windows {windows} would cut nothing off, and take its time"
    )


def _length(lengths: dict[str, float], unit: str) -> str:
    unknown = f"; {lengths['unknown']:.2%} unknown" if "unknown" in lengths else ""
    if lengths.get("unspaced"):
        unit += f" (in {counted(int(lengths['unspaced']), 'text')} each character is one)"
    return (
        f"length in {unit}: mean {lengths['mean']:g}, median {lengths['median']:g}, 95 % below "
        f"{lengths['p95']:g}, longest {lengths['longest']:,}; {lengths['total']:,} in all{unknown}"
    )


def _time(times: dict[str, Any]) -> list[str]:
    if not times:
        return []
    found = [f"on this machine ({times['machine']}), by a few timed steps:"]
    for name in ("adapt", "fit"):
        if name in times:
            one, whole = times[name], ""
            if "epochs" in one:
                seconds = one["epochs"] * one["seconds_per_epoch"]
                whole = f"; the default, {one['epochs']} epochs: about {duration(seconds)}"
            found.append(
                f"  {name}: {one['tokens_per_second']:,.0f} tokens/s, about "
                f"{duration(one['seconds_per_epoch'])} a pass over the training rows{whole}"
            )
    if times.get("masked_loss") is not None:
        found.append(f"masked loss before step 2: {times['masked_loss']:.3f}")
    return found
