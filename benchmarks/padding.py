"""How much of what Steep computes in a case is padding?

    python -m benchmarks.padding

The share of positions without a token in the first `STEPS` training batches. Nothing is trained.
"""

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import ours
from benchmarks.cases import CASES, Case, Job, prepare

STEPS = 40
NAMES = ("fit-25", "fit-120", "fit-512", "adapt-128")


def padding(case: Case) -> float:
    """The share of padding in the batches of `case`."""
    with TemporaryDirectory() as folder:
        job = prepare(Job(case, Path(folder), STEPS, device="cpu"))
        if case.stage == "fit":
            learn = ours.classifier_learner(job, ours.fit_args(job))
        else:
            learn = ours.masked_learner(job, ours.adapt_args(job))
        masks = [batch[0][:, 1] for batch in islice(learn.dls.train, STEPS)]
    return 1 - sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)


if __name__ == "__main__":
    for name in NAMES:
        print(f"{name}: {padding(CASES[name]):.1%} of the positions are padding")
