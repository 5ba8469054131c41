"""Which output of a model says how harmful a text is, and what scores does it give?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steep.data.corpus import Corpus, Task
from steep.errors import SteepError
from steep.metrics.calibration import decide
from steep.models.trained import Trained
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.findings import Scored
from steep.wording import capital, quoted, some, twice


def output_of(task: Task, positive: str | None, label: str | None) -> int:
    """Which output of a model says how harmful a text is.

    That of the class or label `positive`; else of the column `label`; else the second of two
    classes, or the only output. Raises SteepError where none of these is there.
    """
    names = task.labels
    wanted = positive if positive is not None or label not in names else label
    if wanted is None and (len(names) == 1 or (task.kind == "single" and len(names) == 2)):
        wanted = names[-1]
    if wanted not in names:
        said = f"there is no {quoted(wanted)}" if wanted is not None else "none is named"
        raise SteepError(
            f"positive: which output is harmful? {capital(said)}. The model has "
            f"{some([quoted(name) for name in names], 30)}: name one with --positive."
        )
    return names.index(wanted)


def chosen(
    task: Task, outputs: np.ndarray, at: int, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of one output, float64 (n,), and what is decided, bool (n,).

    By the thresholds of the task, as its predictions are; a number, by `threshold`.
    """
    outputs = outputs[:, None] if outputs.ndim == 1 else outputs
    scores = outputs[:, at].astype(np.float64)
    if task.kind == "regression":
        return scores, scores >= threshold
    decided = decide(task, outputs)
    return scores, decided[:, at] if task.kind == "multi" else decided == at


def names_of(folders: Sequence[Path]) -> list[str]:
    """What models are called: the names of their folders, or of equal ones the whole paths.

    Raises SteepError where one is named twice.
    """
    names = [folder.resolve().name for folder in folders]
    names = names if len({*names}) == len(names) else [str(folder) for folder in folders]
    if (name := twice(names)) is not None:
        raise SteepError(f"{name} is named twice. Name two models, or one.")
    return names


def arms_of_models(
    models: Sequence[Trained], corpus: Corpus, args: BiasArgs, label: str
) -> list[Scored]:
    """The scores of each model."""
    found = []
    for name, model in zip(names_of([model.folder for model in models]), models, strict=True):
        at = output_of(model.task, args.identity.positive, label)
        outputs = model.predict(corpus, args.batch.size, args.machine)
        scores, decided = chosen(model.task, outputs, at, args.identity.label_threshold)
        found.append(Scored(name, scores[None], decided[None]))
    return found
