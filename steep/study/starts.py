"""Which checkpoint should one start from? Ranked by their frozen features, before any training."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steep.args.pretraining import ProbeArgs
from steep.data.budget import Parts, labelled_parts
from steep.data.corpus import Data
from steep.data.inputs import Rows
from steep.metrics.logme import label_columns, logme
from steep.metrics.probing import CLEAR, Probed, probed
from steep.metrics.weighted import Draws
from steep.models.checkpoint_files import check_checkpoint
from steep.wording import brief, number, plain

if TYPE_CHECKING:
    from steep.models.devices import Machine

COLUMNS = ("checkpoint", "LogME", "probe", "(s.e.)", "parameters", "seconds")


@dataclass(frozen=True)
class Ranked:
    """A checkpoint, what its frozen features say of the labels, its size, and what that took.

    `numbers` is how many a row has. `logme` is of the training rows, `probe` of validation rows.
    """

    name: str
    logme: float
    probe: Probed
    numbers: int
    parameters: int
    seconds: float

    def described(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "checkpoint": self.name,
            "logme": round(self.logme, 4),
            "probe": round(self.probe.score, 4),
            "error": round(self.probe.error, 4),
            "parameters": self.parameters,
            "seconds": round(self.seconds, 1),
        }


def rank_starts(
    data: Data, names: Sequence[str], max_length: int, machine: "Machine", seed: int
) -> dict[str, Any]:
    """Checkpoints by LogME, the best first, each with a linear probe; and which to start from.

    At most 1,000 rows of either part are read, cut at `max_length` tokens. Plain JSON: "metric" and
    "rows" of the probe, "ranked", "advice". Raises SteepError where there are no labels, or a
    checkpoint cannot be used.
    """
    names = list(dict.fromkeys(names))
    for name in names:
        check_checkpoint(name)
    parts = labelled_parts(data, ProbeArgs(probe=True), seed)
    assert parts is not None
    found = [_start(name, parts, max_length, machine, seed) for name in names]
    ranked = sorted(found, key=lambda start: -start.logme)
    return {
        "metric": ranked[0].probe.metric,
        "rows": [len(part) for part in parts],
        "ranked": [start.described() for start in ranked],
        "advice": advice(ranked),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """What `rank_starts` found, as lines to print."""
    train, valid = found["rows"]
    rows = [
        (
            *(brief(one["checkpoint"], 60), number(one["logme"]), number(one["probe"])),
            *(f"({number(one['error'])})", f"{one['parameters']:,}", f"{one['seconds']:.0f}"),
        )
        for one in found["ranked"]
    ]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    laid = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (COLUMNS, *rows)
    ]
    return [
        f"starts: LogME on {train:,} training rows; probe: {plain(found['metric'])} of a linear "
        f"model of frozen features on {valid:,} validation rows",
        *(f"  {line}" for line in laid),
        found["advice"],
    ]


def advice(ranked: Sequence[Ranked]) -> str:
    """Which to start from, and how sure that is; `ranked` by LogME."""
    if len(ranked) == 1:
        return "one checkpoint alone cannot be ranked: name others with --rank"
    first, second = ranked[:2]
    favourite = max(ranked, key=lambda start: start.probe.above(first.probe)[0])
    other = second if favourite is first else first
    gain, error = favourite.probe.above(other.probe)
    by = f"by {number(gain, sign=True)} (standard error {number(error)})"
    if favourite is not first:
        said = f"LogME puts {first.name} first, the probe {favourite.name}, {by}"
        said += ": they disagree, so these rows cannot tell which to start from"
    elif gain > CLEAR * error:
        said = (
            f"start from {first.name}: LogME and the probe put it first, before {other.name} {by}"
        )
    else:
        said = f"{first.name} is first by LogME and the probe, but before {other.name} only {by}"
        said += ", which may be chance: the smaller or faster one will do"
    if len({start.numbers for start in ranked}) > 1:
        said += "; their features have different sizes, where LogME is less to be trusted"
    return f"{said}. What step 2 would add to either, frozen features cannot say"


def _start(name: str, parts: Parts, max_length: int, machine: "Machine", seed: int) -> Ranked:
    """What the frozen features of a checkpoint say of these rows."""
    from steep.models.families import longest
    from steep.models.heads import features
    from steep.models.masked_lm import load_masked_lm

    started, task = time.monotonic(), parts[0].task
    assert task is not None
    lm = load_masked_lm(name, machine.attention, seed)
    model, length = machine.prepare(lm.model, seed), min(max_length, longest(lm.model, max_length))
    read = [
        features(model, Rows(part, task, lm.tokenizer, length), machine.autocast, machine.device)
        for part in parts
    ]
    train, valid = zip(read, [part.labels() for part in parts], strict=True)
    return Ranked(
        name=name,
        logme=logme(train[0], label_columns(task, train[1])),
        probe=probed(task, train, valid, Draws(groups=parts[1].group_codes())),
        numbers=train[0].shape[1],
        parameters=sum(weight.numel() for weight in lm.model.base_model.parameters()),
        seconds=time.monotonic() - started,
    )
