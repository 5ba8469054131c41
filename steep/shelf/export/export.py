"""steep export: a trained model as ONNX, checked against torch on real rows; and as int8."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from steep import outputs, places, runs
from steep.args import MachineArgs
from steep.console import say
from steep.data.corpus import Corpus
from steep.data.duplicates import row_hashes
from steep.data.inputs import SLIDING
from steep.data.load import read_table
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.calibration import decide
from steep.metrics.scores import percentiles, resampled, score
from steep.metrics.weighted import Draws
from steep.models.trained import Trained, load_trained_model
from steep.seeds import numbers
from steep.shelf.export import ExportArgs
from steep.stages.predict import read_labelled, table_for

Found = dict[str, Any]
EXACT = MachineArgs(device="cpu", precision="fp32", plain=True)  # as the model is exported


def export(model: str | Path, source: Source, *, args: ExportArgs) -> Path:
    """Write model.onnx, and model-int8.onnx if asked for, into the folder `model`.

    Both are compared with torch (fp32, on the CPU) on rows of `source`, for int8 on rows that the
    model was not trained on; the findings are printed, and kept in export.json. Raises SteepError,
    and writes nothing, if ONNX differs from torch by more than the tolerance.
    """
    folder = Path(model)
    trained = load_trained_model(folder)
    _check_free(folder, args.output.overwrite)
    if trained.truncation.startswith(SLIDING):
        raise SteepError(
            f"{folder}: its windows are pooled ({trained.truncation}) by Steep, outside of the "
            "model that ONNX would hold. Predict with torch, or fit with --truncation head+tail."
        )
    corpus = _rows(trained, source, args)
    with outputs.adding(folder) as aside:
        found = _write(trained, corpus, args, aside)
        runs.write_json(aside / runs.EXPORT, found)
    for line in _lines(found):
        say(line)
    return folder / runs.ONNX["int8" if args.onnx.int8 else "onnx"]


def _lines(found: Found) -> list[str]:
    """What export.json says, for people."""
    engines = [
        f"{name}: {facts['megabytes']:.1f} MB, {facts['rows_per_second']:,.0f} rows a second, "
        f"largest difference from torch {facts['max_difference']:.2g}"
        for name, facts in found["engines"].items()
    ]
    losses = [
        f"int8: {name} {loss['int8']:.4f}, by torch {loss['torch']:.4f}: "
        f"{loss['difference']:+.4f} ({loss['low']:+.4f} to {loss['high']:+.4f})"
        for name, loss in found.get("int8_loss", {}).items()
    ]
    if "int8_changed" in found:
        changed = f"{found['int8_changed']:,} of {found['rows']:,} rows"
        losses.append(f"int8: another decision than torch in {changed}")
    return engines + losses


def _check_free(folder: Path, overwrite: bool) -> None:
    """Raises SteepError if a file of an export is there, and may not be replaced."""
    there = [name for name in (runs.EXPORT, *runs.ONNX.values()) if os.path.lexists(folder / name)]
    if there and not overwrite:
        raise SteepError(f"{folder / there[0]} exists. Add --overwrite to replace it.")
    listed = places.wrote(folder)
    exported = (folder / runs.EXPORT).is_file()  # without a list, this tells whose they are
    foreign = [name for name in there if not (exported if listed is None else name in listed)]
    if foreign:
        raise SteepError(
            f"{folder / foreign[0]} was not written by Steep, so it is not replaced. Move it away."
        )


def _rows(trained: Trained, source: Source, args: ExportArgs) -> Corpus:
    """A sample of rows; for int8 labelled, and not of those that the model was trained on."""
    if not args.onnx.int8:
        corpus = read_table(source, table_for(trained, args.columns), trained.task)
        return _drawn(corpus, np.arange(len(corpus)), args, "")
    corpus = read_labelled(trained, source, args.columns, args.target.label)
    known = np.isin(row_hashes(corpus), runs.read_hashes(trained.folder))
    free = np.flatnonzero(~known)
    if not len(free):
        say(
            f"{corpus.source}: the model was trained on every row, so the cost of int8 is "
            "underestimated"
        )
        free = np.arange(len(corpus))
    return _drawn(corpus, free, args, f", without {known.sum():,} that it was trained on")


def _drawn(corpus: Corpus, places: np.ndarray, args: ExportArgs, without: str) -> Corpus:
    stream = numbers(args.seed.seed, "export")
    drawn = np.sort(stream.permutation(places)[: args.onnx.max_rows])
    say(f"{corpus.source}: {len(drawn):,} of {len(corpus):,} rows{without}")
    return corpus.take(drawn)


def _write(trained: Trained, corpus: Corpus, args: ExportArgs, aside: Path) -> Found:
    """Write the files into the folder `aside`; the findings, for export.json."""
    from steep.models import heads
    from steep.models.devices import choose
    from steep.shelf.export import onnx

    onnx.check_onnx_installed()
    rows, size = trained.rows(corpus), args.batch.size
    machine, net = choose(EXACT), trained.model(rows, "eager")
    engines: Found = {}
    weights, file = trained.folder / runs.WEIGHTS, aside / runs.ONNX["onnx"]
    by_torch, engines["torch"] = _timed(
        weights, None, lambda: heads.predict(net, rows, machine, size)
    )
    onnx.write_onnx(net, rows, file)
    _, engines["onnx"] = _timed(file, by_torch, lambda: onnx.predict_with_onnx(file, rows, size))
    if not (difference := engines["onnx"]["max_difference"]) <= args.onnx.tolerance:
        raise SteepError(
            f"ONNX and torch differ by {difference:.2g} on these rows, more than the tolerance "
            f"{args.onnx.tolerance:g}; nothing was written. This architecture may not export "
            "correctly."
        )
    found = {"source": corpus.source, "rows": len(corpus), "tolerance": args.onnx.tolerance}
    if not args.onnx.int8:
        return found | {"engines": engines}
    small = aside / runs.ONNX["int8"]
    onnx.write_int8(file, small)
    by_int8, engines["int8"] = _timed(
        small, by_torch, lambda: onnx.predict_with_onnx(small, rows, size)
    )
    loss = _int8_loss(trained, corpus, by_torch, by_int8, args.seed.seed)
    return found | {"engines": engines} | loss


def _timed(
    file: Path, by_torch: np.ndarray | None, compute: Callable[[], np.ndarray]
) -> tuple[np.ndarray, Found]:
    """What `file` computes; how fast, how large it is, and how far that is from torch's."""
    started = time.monotonic()
    given = compute()
    rate = len(given) / max(time.monotonic() - started, 1e-9)
    difference = 0.0 if by_torch is None else float(np.abs(by_torch.astype(float) - given).max())
    size = round(file.stat().st_size / 1e6, 1) if file.is_file() else 0.0
    return given, {
        "rows_per_second": round(rate, 1),
        "max_difference": difference,
        "megabytes": size,
    }


def _int8_loss(
    trained: Trained, corpus: Corpus, by_torch: np.ndarray, by_int8: np.ndarray, seed: int
) -> Found:
    """Every metric by torch and by int8, and the interval of their paired difference."""
    task, labels = trained.task, corpus.labels()
    both = [trained.decisions.probabilities(task, given) for given in (by_torch, by_int8)]
    before, after = (score(task, labels, given) for given in both)
    drawn = resampled(task, labels, both, draws=Draws(seed=seed))
    found: Found = {"int8_loss": {}}
    for name in (name for name in before if name in after):
        gaps = drawn[1][name] - drawn[0][name]
        low, high = percentiles(gaps[np.isfinite(gaps)])
        values = {"torch": before[name], "int8": after[name]}
        gap = {"difference": after[name] - before[name], "low": low, "high": high}
        found["int8_loss"][name] = values | gap
    if task.kind != "regression":
        one, two = (decide(task, given).reshape(len(corpus), -1) for given in both)
        found["int8_changed"] = int((one != two).any(axis=1).sum())
    return found
