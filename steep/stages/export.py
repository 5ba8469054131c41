"""steep export: a trained model as ONNX, checked against torch on real rows; and as int8."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import ExportArgs, RunArgs
from steep.console import say
from steep.data.corpus import Corpus
from steep.data.duplicates import row_hashes
from steep.data.long import SLIDING
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.metrics.intervals import percentiles, resampled
from steep.metrics.scores import score
from steep.metrics.thresholds import decide
from steep.seeds import numbers
from steep.stages.predict import Trained, load, table_args

Found = dict[str, Any]


def export(model: str | Path, source: str | Path, *, args: ExportArgs | None = None) -> Path:
    """Write model.onnx, and model-int8.onnx if asked for, into the folder `model`.

    Both are compared with torch (fp32, on the CPU) on rows of `source` that the model was not
    trained on; what was found is printed, and kept in export.json. Raises SteepError, and writes
    nothing, if ONNX differs from torch by more than the tolerance.
    """
    args, folder = args or ExportArgs(), Path(model)
    trained = load(folder)
    _check_free(folder, args)
    if trained.truncation.startswith(SLIDING):
        raise SteepError(
            f"{folder}: its windows are joined ({trained.truncation}) by Steep, outside of the "
            "model that ONNX would hold. Predict with torch, or fit with --truncation head+tail."
        )
    corpus = _rows(trained, Path(source), args)
    with runs.adding(folder) as aside:
        found = _write(trained, corpus, args, aside)
        runs.write_json(aside / runs.EXPORT, found)
    for line in lines(found):
        say(line)
    return folder / runs.ONNX["int8" if args.int8 else "onnx"]


def lines(found: Found) -> list[str]:
    """What export.json says, for people."""
    said = [
        f"{name}: {facts['megabytes']:.1f} MB, {facts['rows_per_second']:,.0f} rows a second, "
        f"largest difference from torch {facts['max_difference']:.2g}"
        for name, facts in found["engines"].items()
    ]
    for name, loss in found.get("int8_loss", {}).items():
        said.append(
            f"int8: {name} {loss['torch']:.4f} by torch, {loss['int8']:.4f} by int8: "
            f"{loss['difference']:+.4f} ({loss['low']:+.4f} to {loss['high']:+.4f})"
        )
    if "int8_changed" in found:
        said.append(f"int8: {found['int8_changed']:,} of {found['rows']:,} rows decided otherwise")
    return said


def _check_free(folder: Path, args: ExportArgs) -> None:
    there = [name for name in (*runs.ONNX.values(), runs.EXPORT) if (folder / name).exists()]
    if there and not args.overwrite:
        raise SteepError(f"{folder / there[0]} exists. Add --overwrite to replace it.")


def _rows(trained: Trained, source: Path, args: ExportArgs) -> Corpus:
    """Rows that the model was not trained on, where there are any; labelled for int8."""
    label = args.label or trained.table.label
    if args.int8 and label is None:
        raise SteepError(
            f"{source}: what int8 loses is measured on labelled rows; name the column by --label."
        )
    table = table_args(trained, args, label if args.int8 else None)
    table = replace(table, task=trained.task.kind) if args.int8 else table
    corpus = read_table(source, table, trained.task)
    known = np.isin(row_hashes(corpus), runs.read_hashes(trained.folder)) if args.int8 else None
    free = np.flatnonzero(~known) if known is not None else np.arange(len(corpus))
    if not len(free):
        say(f"{corpus.source}: the model was trained on every row: what int8 loses is flattered")
        free = np.arange(len(corpus))
    stream = numbers(args.seed, "export")
    drawn = np.sort(stream.permutation(free)[: args.rows])
    left = f", {known.sum():,} were left out, being trained on" if known is not None else ""
    say(f"{corpus.source}: {len(drawn):,} of {len(corpus):,} rows{left}")
    return corpus.take(drawn)


def _write(trained: Trained, corpus: Corpus, args: ExportArgs, aside: Path) -> Found:
    """Write the files into the folder `aside`; what was found, for export.json."""
    from steep.models import inference, onnx
    from steep.models.checkpoints import load_trained
    from steep.models.devices import choose

    onnx.check_installed()
    rows, size = trained.rows(corpus), args.batch_size
    machine = choose(RunArgs(device="cpu", precision="fp32", plain=True))
    net = load_trained(trained.folder, "eager")
    engines: Found = {}
    by_torch = _timed(engines, "torch", lambda: inference.predict(net, rows, machine, size))
    engines["torch"] |= {"megabytes": _megabytes(trained.folder / runs.WEIGHTS)}
    file = aside / runs.ONNX["onnx"]
    onnx.export(net, rows, file)
    by_onnx = _timed(engines, "onnx", lambda: onnx.predict(file, rows, size))
    _compare(engines, "onnx", by_torch, by_onnx, file)
    _check(engines["onnx"]["max_difference"], args)
    found = {"source": corpus.source, "rows": len(corpus), "tolerance": args.tolerance}
    if not args.int8:
        return found | {"engines": engines}
    small = aside / runs.ONNX["int8"]
    onnx.quantize(file, small)
    by_int8 = _timed(engines, "int8", lambda: onnx.predict(small, rows, size))
    _compare(engines, "int8", by_torch, by_int8, small)
    return found | {"engines": engines} | _loss(trained, corpus, by_torch, by_int8, args)


def _timed(engines: Found, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    started = time.monotonic()
    given = compute()
    rate = len(given) / max(time.monotonic() - started, 1e-9)
    engines[name] = {"rows_per_second": round(rate, 1), "max_difference": 0.0}
    return given


def _compare(
    engines: Found, name: str, torch_says: np.ndarray, it_says: np.ndarray, file: Path
) -> None:
    difference = float(np.abs(torch_says.astype(float) - it_says).max())
    engines[name] |= {"max_difference": difference, "megabytes": _megabytes(file)}


def _check(difference: float, args: ExportArgs) -> None:
    if not difference <= args.tolerance:
        raise SteepError(
            f"ONNX and torch differ by {difference:.2g} on these rows, more than the tolerance "
            f"{args.tolerance:g}; nothing was written. This architecture may not export rightly."
        )


def _loss(
    trained: Trained, corpus: Corpus, by_torch: np.ndarray, by_int8: np.ndarray, args: ExportArgs
) -> Found:
    """Every metric by torch and by int8, and the interval of their paired difference."""
    task, labels = trained.task, corpus.labels()
    both = [trained.decisions.probabilities(task, given) for given in (by_torch, by_int8)]
    before, after = (score(task, labels, given) for given in both)
    drawn = resampled(task, labels, both, seed=args.seed)
    found: Found = {"int8_loss": {}}
    for name in before.keys() & after.keys():
        gaps = drawn[1][name] - drawn[0][name]
        low, high = percentiles(gaps[np.isfinite(gaps)])
        values = {"torch": before[name], "int8": after[name]}
        gap = {"difference": after[name] - before[name], "low": low, "high": high}
        found["int8_loss"][name] = values | gap
    if task.kind != "regression":
        one, two = (decide(task, given).reshape(len(corpus), -1) for given in both)
        found["int8_changed"] = int((one != two).any(axis=1).sum())
    return found


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 1) if path.is_file() else 0.0
