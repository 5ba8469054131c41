"""How much time is saved where the last layer computes only what the head reads?

    python -m benchmarks.lastlayer

Forward and backward pass of the demo's checkpoint, with the whole last layer and with the narrow
one, in turns on the same batch, without optimiser or data loading. Printed are the medians in
milliseconds, and the median of the ratios of two adjacent passes.
"""

import argparse
import time
from contextlib import nullcontext
from statistics import median
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from benchmarks.cases import MLM_PROBABILITY
from steep.models import kernels
from steep.models.devices import keep_freed_memory
from steep.models.heads import Classifier
from steep.models.masked_lm import MaskedLM
from steep.stages.demo import checkpoint

CASES = (("fit", 32, 28), ("fit", 32, 128), ("fit", 8, 512), ("adapt", 32, 128))
WORDS = 1000, 9000  # the ids to draw from: words of the vocabulary


class Pass:
    """Forward and backward pass of a random batch: `rows` texts of `length` tokens."""

    def __init__(self, stage: str, rows: int, length: int) -> None:
        torch.manual_seed(0)
        ids = torch.randint(*WORDS, (rows, length))
        batch = torch.stack([ids, torch.ones_like(ids)], 1)
        kind = AutoModelForSequenceClassification if stage == "fit" else AutoModelForMaskedLM
        model = kind.from_pretrained(checkpoint(install=False), num_labels=2).train()
        kernels.install(model, seed=0)
        masked = torch.randperm(ids.numel())[: round(MLM_PROBABILITY * ids.numel())].sort().values
        self.model: nn.Module
        self.inputs: tuple[Tensor, ...]
        if stage == "fit":
            self.model, self.inputs = Classifier(model, False), (batch,)
            self.labels = torch.zeros(rows, dtype=torch.long)
        else:
            self.model, self.inputs = MaskedLM(model, False), (batch, masked)
            self.labels = ids.flatten()[masked]

    def milliseconds(self) -> float:
        """How long one pass takes."""
        started = time.perf_counter()
        kernels.cross_entropy(self.model(*self.inputs), self.labels).backward()
        for parameter in self.model.parameters():
            parameter.grad = None
        return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Measure the cases, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lastlayer", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=12, help="passes of each kind (default 12)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    for stage, rows, length in CASES:
        step = Pass(stage, rows, length)
        found = [_turn(step) for _ in range(options.turns + 2)][2:]
        whole, narrow = (median(times) for times in zip(*found, strict=True))
        ratio = median(slow / fast for slow, fast in found)
        print(f"{stage}, {rows} x {length}: {whole:.0f} -> {narrow:.0f} ms, {ratio:.2f} times")


def _turn(step: Pass) -> tuple[float, float]:
    """Milliseconds of a pass with the whole last layer, and of one with only what is read of it."""
    with patch.object(kernels, "reading", lambda *_: nullcontext()):
        whole = step.milliseconds()
    return whole, step.milliseconds()


if __name__ == "__main__":
    main()
