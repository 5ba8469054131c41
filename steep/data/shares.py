"""How often is each file read in a pass over all text?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steep.errors import SteepError
from steep.seeds import numbers


def parse_file_weights(weights: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Times a pass that each of the files `names` is read, float64 (files,), by FILE=TIMES.

    FILE is a name or the end of one, and may hold '=' itself. Raises SteepError for what is no
    such file or number, or where nothing is left to read.
    """
    times = np.ones(len(names))
    for weight in weights:
        file, _, value = weight.rpartition("=")
        meant = [i for i, name in enumerate(names) if file in (name, Path(name).name)]
        if not meant:
            known = ", ".join(Path(name).name for name in names)
            raise SteepError(
                f"file_weight '{weight}': there is no such file. Write FILE=TIMES, with one of "
                f"{known}."
            )
        times[meant] = _number(weight, value)
    if not times.any():
        raise SteepError("file_weight: every file is read 0 times. Leave one above 0.")
    return times


def _number(weight: str, value: str) -> float:
    try:
        times = float(value)
    except ValueError:
        times = -1.0
    if not 0 <= times < np.inf:
        raise SteepError(
            f"file_weight '{weight}': '{value}' is no number of times. Write FILE=2 to read a "
            "file twice in a pass, FILE=0.5 to read half of it."
        )
    return times


def repeated(spans: np.ndarray, source: np.ndarray, times: np.ndarray, seed: int) -> np.ndarray:
    """`spans` (n, ...) as often as their file is read; in their order.

    `source` int64 (n,) is the file of each. Of a fraction, windows are drawn by the seed (stream
    "weight"), the same in every pass.
    """
    whole, part = np.divmod(times, 1)
    counts = whole[source].astype(np.int64)
    for file in np.flatnonzero(part):
        own = np.flatnonzero(source == file)
        more = numbers(seed, "weight", int(file)).permutation(own)[: round(part[file] * len(own))]
        counts[more] += 1
    return np.repeat(spans, counts, axis=0)
