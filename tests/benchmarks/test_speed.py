"""Who takes part in a contest of training, and do the contestants differ as they should?"""

import argparse
from pathlib import Path

import pytest
import torch

pytest.importorskip("accelerate", reason="the Trainer needs it: pip install 'steep[bench]'")

from benchmarks import ours, speed
from benchmarks.cases import CASES, Job
from steep.models.devices import Machine

OPTIONS = argparse.Namespace(attention="eager", compile=False)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("name", ["fit-25", "adapt-128"])
def test_steep_without_its_layers_takes_part_where_it_has_some(
    name: str, fast: bool, tmp_path: Path
) -> None:
    job = Job(CASES[name], tmp_path, steps=3)
    machine = Machine(torch.device("cpu"), bf16=False, attention="eager", fast=fast)
    found = {entry.name: entry for entry in speed.trainers(job, machine, OPTIONS)(job)}
    assert [*found] == ["stock", "best (eager)", *["steep --plain"] * fast, "steep"]
    args = ours.fit_args if job.case.stage == "fit" else ours.adapt_args
    plain = {who: args(found[who].job).machine.plain for who in found if who.startswith("steep")}
    assert plain == ({"steep --plain": True} if fast else {}) | {"steep": False}
