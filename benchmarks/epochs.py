"""Which epoch should be kept, chosen by how many validation rows? Simulated on real fits.

    python -m benchmarks.epochs --data FOLDER --model DIR --sets polarity trec goemotions

A fit of 14 epochs on 300 rows predicts 500 others after each epoch. Of these, 20 to 200 are drawn
as validation rows, 500 times; each rule chooses an epoch by them, and loses what another epoch
would have had more on the rest. Points of accuracy, in `results/epochs.json`.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback

import steep
from benchmarks.samples import SAMPLES, Sample

RESULTS = Path(__file__).parent / "results" / "epochs.json"
ROWS, SHARE, EPOCHS, DRAWS, VALID = 800, 0.625, 14, 500, (20, 60, 100, 200)
AFTER_SCORES = 71  # the order of a callback: when Steep has measured the epoch


class Keep(Callback):
    """Keeps what is predicted for the validation rows after each epoch, and their labels."""

    order, run_train = AFTER_SCORES, False

    def __init__(self) -> None:
        self.epochs: list[np.ndarray] = []

    def before_validate(self) -> None:
        self.outputs: list[torch.Tensor] = []
        self.targets: list[torch.Tensor] = []

    def after_pred(self) -> None:
        self.outputs.append(self.pred.detach().cpu())
        self.targets.append(self.yb[0].cpu())

    def after_validate(self) -> None:
        self.epochs.append(self.loss_func.activation(torch.cat(self.outputs)).numpy())
        self.truth = self.loss_func.truth(torch.cat(self.targets)).numpy()


def predicted(sample: Sample, data: Path, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (epochs, rows, labels) and the labels of a fit with a validation part."""
    keep = Keep()
    with TemporaryDirectory() as folder:
        train, _ = sample.write(data, Path(folder), ROWS, 1)
        how: dict[str, Any] = {"epochs": EPOCHS, "learning_rate": 3e-4, "batch_size": 16}
        shares = {"valid_share": SHARE, "test_share": 0.0}
        length = {"max_length": min(64, sample.max_length)}
        given = sample.columns | how | shares | length
        steep.fit(train, model, out=Path(folder) / "model", callbacks=[keep], **given)
    return np.stack(keep.epochs), keep.truth


def regrets(outputs: np.ndarray, truth: np.ndarray) -> dict[str, dict[str, float]]:
    """Mean points of accuracy that each rule loses, by the number of validation rows."""
    rows = np.arange(len(truth))
    if truth.ndim == 1:
        right = outputs.argmax(2) == truth
        chances = outputs[:, rows, truth]
    else:
        right = ((outputs > 0.5) == (truth > 0.5)).mean(2)
        chances = np.where(truth > 0.5, outputs, 1 - outputs)
    losses = -np.log(np.clip(chances, 1e-7, 1)).reshape(len(outputs), len(truth), -1).mean(2)
    stream, found = np.random.default_rng(0), {}
    for count in VALID:
        lost: dict[str, list[float]] = {"metric": [], "loss": [], "last": []}
        for _ in range(DRAWS):
            order = stream.permutation(rows)
            valid, rest = order[:count], order[count:]
            own, loss, real = (
                x.mean(1) for x in (right[:, valid], losses[:, valid], right[:, rest])
            )
            ranks = np.lexsort((loss, -own))  # ties go to the lower loss
            chosen = {"metric": ranks[0], "loss": loss.argmin(), "last": len(real) - 1}
            for rule, epoch in chosen.items():
                lost[rule].append(100 * float(real.max() - real[epoch]))
        found[str(count)] = {rule: round(float(np.mean(x)), 2) for rule, x in lost.items()}
    return found


def main() -> None:
    """Fit, simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--sets", nargs="+", default=["polarity", "trec", "goemotions"])
    args = parser.parse_args()
    found = {name: regrets(*predicted(SAMPLES[name], args.data, args.model)) for name in args.sets}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
