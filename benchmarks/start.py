"""How many seconds after it was started does a fit of 10,000 short texts begin its first step?

    python -m benchmarks.start MODEL

A new Python is started twice, with an empty cache of tokens and then with a filled one; imports
count.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from fastai.callback.core import Callback

import steep
from steep.stages.demo import unpack

ROWS = 10_000


class FirstStep(Callback):
    """Prints the seconds since `began`, and ends the process before the first step."""

    def __init__(self, began: float) -> None:
        self.began = began

    def before_batch(self) -> None:
        print(f"{time.time() - self.began:.1f} s", flush=True)
        os._exit(0)


def table(folder: Path) -> Path:
    """The bundled sentences, training rows first, as one file of `ROWS` rows."""
    data = unpack(folder)
    rows = pd.concat([pd.read_csv(data.reviews), pd.read_csv(data.test)])[:ROWS]
    rows.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def main() -> None:
    """Measure, or, with two more arguments, be what is measured."""
    model, *given = sys.argv[1:]
    if given:
        rows, began = Path(given[0]), float(given[1])
        options = {"label": "label", "max_length": 64, "device": "cpu"}
        out, first = rows.parent / "model", FirstStep(began)
        steep.fit(rows, model, out=out, callbacks=[first], **options)
    with tempfile.TemporaryDirectory() as folder:
        rows = table(Path(folder))
        cache = {"HF_DATASETS_CACHE": str(Path(folder) / "cache")}
        for name in ("empty cache", "filled cache"):
            print(name, end=": ", flush=True)
            command = [sys.executable, "-m", "benchmarks.start", model, str(rows), str(time.time())]
            subprocess.run(command, env=os.environ | cache, stderr=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
