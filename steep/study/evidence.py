"""What have studies of step 2 found so far? Steep's own, and those of the user.

evidence.csv holds those of docs/results.md: of two lengths of step 2 that share an arm, the longer.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steep import runs
from steep.errors import SteepError, unreadable
from steep.run_shapes import STUDY, VERDICT
from steep.study.arms import ADAPTED
from steep.wording import brief, quoted

OWN = Path(__file__).with_name("evidence.csv")
FIELDS = ("name", "labels", "own_head", "gain", "low", "high")
HEADS = {"yes": True, "no": False}
POINTS = 100  # of accuracy, F1 or AUC 1


@dataclass(frozen=True)
class Finding:
    """What a study found at one label budget.

    `own_head`: whether its checkpoint came with a masked-LM head. The gain of step 2, and the ends
    of its 95 % interval, are in points: hundredths of accuracy, F1 or AUC.
    """

    name: str
    labels: int
    own_head: bool
    gain: float
    low: float
    high: float


def known(further: Sequence[Path] = ()) -> tuple[Finding, ...]:
    """The findings of Steep's own studies, and of `further` files or folders of studies.

    Raises SteepError for what is neither a CSV file of `FIELDS` nor a finished study.
    """
    return tuple(finding for path in (OWN, *further) for finding in _read(path))


def _read(path: Path) -> list[Finding]:
    if path.is_dir():
        return _of_study(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.reader(stream))
    except OSError as error:
        raise SteepError(unreadable(path, error)) from None
    except (UnicodeError, csv.Error) as error:
        raise SteepError(f"{path}: not a CSV file in UTF-8: {brief(str(error))}.") from None
    if not lines or tuple(lines[0]) != FIELDS:
        raise SteepError(f"{path}, line 1: expected the columns {','.join(FIELDS)}.")
    return [_finding(f"{path}, line {n}", line) for n, line in enumerate(lines[1:], 2) if line]


def _finding(place: str, line: list[str]) -> Finding:
    """A line of a file; SteepError, naming its `place`, where it is none."""
    if len(line) != len(FIELDS):
        raise SteepError(f"{place}: {len(line)} values, expected {','.join(FIELDS)}.")
    name, labels, head, *numbers = line
    if head not in HEADS:
        raise SteepError(f"{place}: own_head is {quoted(head)}; write yes or no.")
    if not labels.isdecimal() or int(labels) < 1:
        raise SteepError(f"{place}: labels is {quoted(labels)}; write a whole number from 1.")
    try:
        gain, low, high = map(float, numbers)
    except ValueError:
        gain, low, high = (math.nan,) * 3
    if not -math.inf < low <= gain <= high < math.inf or low == high:
        raise SteepError(
            f"{place}: gain, low and high are {', '.join(map(quoted, numbers))}; write the gain in "
            "points and the ends of its 95 % interval, low below high."
        )
    return Finding(name, int(labels), HEADS[head], gain, low, high)


def _of_study(folder: Path) -> list[Finding]:
    """What a finished study found, at each of its label budgets."""
    if not (folder / runs.VERDICT).is_file():
        raise SteepError(
            f"{folder}: not a finished study (no {runs.VERDICT}). Name the folder of a 'steep "
            "compare' that has ended, or a CSV file."
        )
    study = runs.manifest_at(folder / runs.STUDY, STUDY)
    verdict = runs.read_shaped(folder / runs.VERDICT, VERDICT)
    if study["task"]["kind"] == "regression" or not verdict.get("higher_is_better", True):
        raise SteepError(
            f"{folder}: its gain is one of {verdict['metric']}, which is not counted in points of "
            "accuracy, F1 or AUC as the others are. Leave it out."
        )
    own_head = not runs.read_step2(folder / ADAPTED)[1].get("new_head", False)
    rows = study.get("data", {}).get("parts", {}).get("train", 0)
    budgets = [b for b in verdict.get("budgets", []) if (b["labels"] or rows) >= 1]
    found = [
        Finding(str(folder), b["labels"] or rows, own_head, *_points(c))
        for b in budgets
        for c in b["comparisons"]
        if c["main"] and None not in (c["gain"], c.get("low"), c.get("high"))
    ]
    if not found:
        raise SteepError(f"{folder}: its verdict has no gain with an interval. Leave it out.")
    return found


def _points(comparison: dict[str, Any]) -> tuple[float, float, float]:
    gain, low, high = (POINTS * comparison[name] for name in ("gain", "low", "high"))
    return gain, low, high
