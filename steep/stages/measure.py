"""How good is a fitted model on held-out rows, and how does it decide? Decided on validation."""

from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args import FitArgs
from steep.data.corpus import Corpus, Data, Task
from steep.metrics import decisions
from steep.metrics.calibration import ece
from steep.metrics.scores import score
from steep.metrics.summary import summarise
from steep.stages import facts

if TYPE_CHECKING:
    from steep.models.devices import Machine
    from steep.train.classify import Fitted

FLATTERING = (
    "thresholds and temperatures were chosen on the validation rows, so scores on those flatter"
)


def held_out(
    fitted: "Fitted", data: Data, args: FitArgs, machine: "Machine", run: runs.Run
) -> dict[str, Any]:
    """{"valid", "test", "decisions"} for the results; `test` and `decisions` are None without.

    Writes the predictions, and decisions.json where thresholds or temperatures were asked for.
    """
    task, parts = data.labelled(), {p: c for p, c in data.parts.items() if p != "train"}
    raw = {part: fitted.predict(corpus, machine) for part, corpus in parts.items()}
    labels = data.valid.labels()
    chosen, notes = decisions.fit(task, labels, raw["valid"], args.threshold, args.calibrate)
    for note in [*notes, FLATTERING] if chosen else notes:
        run.note(note)
    results: dict[str, Any] = {"valid": None, "test": None, "decisions": None}
    for part, corpus in parts.items():
        given = chosen.probabilities(task, raw[part])
        results[part] = _score(part, corpus, chosen.task(task), given, run)
    if chosen:
        how = {"threshold": args.threshold, "calibrate": args.calibrate, "rows": len(labels)}
        before = {part: _plain(task, corpus, raw[part]) for part, corpus in parts.items()}
        results["decisions"] = how | chosen.as_json(task) | {"before": before}
        runs.write_json(run.folder / runs.DECISIONS, results["decisions"])
    return results


def gains(results: dict[str, Any]) -> list[str]:
    """A line a metric that decisions changed: 'macro_f1 0.412 at 0.5, 0.487 as decided'."""
    part = "test" if results["test"] else "valid"
    if not results["decisions"]:
        return []
    before, after = results["decisions"]["before"][part], results[part]
    now = {name: found["value"] for name, found in after["metrics"].items()}
    now["ece"] = after["calibration"]["ece"]
    return [
        f"{name} {value:.3f} as it comes, {now[name]:.3f} as decided"
        for name, value in before.items()
        if name in now and abs(now[name] - value) >= 0.0005
    ]


def _score(
    part: str, corpus: Corpus, task: Task, probabilities: np.ndarray, run: runs.Run
) -> dict[str, Any]:
    if task.kind == "multi" and not task.thresholds and not (probabilities >= 0.5).any():
        run.note(f"{part}: no label reaches probability 1/2 in any row, so F1 is 0; train longer?")
    path = run.folder / runs.PREDICTIONS / f"{part}.csv"
    runs.write_csv(path, facts.prediction_lines(corpus, task, probabilities))
    return summarise(task, corpus.labels(), probabilities)


def _plain(task: Task, corpus: Corpus, raw: np.ndarray) -> dict[str, float]:
    """The metrics and the calibration error as they would be without any decision."""
    labels = corpus.labels()
    return score(task, labels, raw) | {"ece": ece(task, labels, raw)}
