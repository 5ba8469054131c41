"""Which labelled rows are used where not all are? A budget's, few of each class, or the probe's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steep import runs
from steep.args.pretraining import ProbeArgs
from steep.args.training import FewArgs
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.metrics.scores import defined, primary
from steep.seeds import numbers
from steep.wording import counted, some

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST = 1000  # rows of either part: enough for a linear classifier, and soon read
Parts = tuple[Corpus, Corpus]  # of the training and the validation part


def chosen(data: Data, few: FewArgs, seed: int) -> Data:
    """`data` with the training rows that `label_budget` or `shots` leaves; as it is without both.

    Raises SteepError where `shots` has no classes to count by.
    """
    if few.shots is None:
        return within(data, few.label_budget, seed)
    if few.label_budget is not None:
        raise SteepError("shots and label_budget both say how many labels are used: give one.")
    return few_shot(data, few.shots, seed)


def notes(data: Data, used: Data, few: FewArgs) -> list[str]:
    """What the user should know of the training rows `used` of `data`."""
    if used is data:
        return []
    kept = len(used.train)
    told = f"{kept:,} of {len(data.train):,} training labels are used"
    if few.shots is None:
        every = ", one of every class" if kept > (few.label_budget or 0) else ""
        return [told + every]
    found = [f"{told}, {few.shots} of each class"]
    if len(data.valid) > kept:
        held = f"{len(data.valid):,} validation labels"
        found.append(f"{held} are used to measure and choose, more than are trained on")
    return found


def few_shot(data: Data, shots: int, seed: int) -> Data:
    """`data` with `shots` training rows of each class, drawn from the stream "labels" of `seed`.

    More shots contain the rows of fewer. Raises SteepError where a class has fewer, and for tasks
    whose rows are not each of one class.
    """
    task = data.labelled()
    if task.kind != "single":
        raise SteepError(
            f"shots counts the rows of each class, which a {task.kind} task does not have. "
            "Use --label-budget."
        )
    order = numbers(seed, "labels").permutation(len(data.train))
    labels = data.train.labels()[order]
    places = [np.flatnonzero(labels == number)[:shots] for number in range(len(task.labels))]
    lacking = [
        f"{n} ({len(p)})" for n, p in zip(task.labels, places, strict=True) if len(p) < shots
    ]
    if lacking:
        raise SteepError(
            f"{data.train.source}: fewer than {shots} training rows of {some(lacking, 3)}. Choose "
            "fewer --shots, or give more rows."
        )
    return replace(data, train=data.train.take(np.sort(order[np.concatenate(places)])))


def within(data: Data, budget: int | None, seed: int) -> Data:
    """`data` with at most `budget` training rows, drawn from the stream "labels" of `seed`.

    A larger budget contains the smaller one's rows. For single labels at least one row of every
    class is kept, so a budget below the number of classes is raised to it.
    """
    if budget is None or budget >= len(data.train):
        return data
    order = numbers(seed, "labels").permutation(len(data.train))
    chosen = _every_class_first(data.train, order)[: max(budget, _classes(data.train))]
    return replace(data, train=data.train.take(np.sort(chosen)))


def check_budgets(data: Data, budgets: Sequence[int]) -> None:
    """Raises SteepError at a budget that `within` could not keep to."""
    least, most = max(1, _classes(data.train)), len(data.train)
    for budget in budgets:
        if not least <= budget <= most:
            classes = f" of {least:,} classes" if least > 1 else ""
            raise SteepError(
                f"label_budgets {budget:,}: there are {counted(most, 'training row')}{classes}. "
                f"Name numbers from {least:,} to {most:,}."
            )


def _classes(train: Corpus) -> int:
    return len(np.unique(train.labels())) if train.task and train.task.kind == "single" else 0


def _every_class_first(train: Corpus, order: np.ndarray) -> np.ndarray:
    """`order`, with the first row of every class moved to the front."""
    if not _classes(train):
        return order
    _, first = np.unique(train.labels()[order], return_index=True)
    return np.concatenate([order[np.sort(first)], np.delete(order, first)])


def labelled_parts(data: Data, probe: ProbeArgs, seed: int) -> Parts | None:
    """Training and validation rows for the probe; None where none was asked for.

    Raises SteepError where there are no labels, or none that a score is defined on.
    """
    if not probe.probe:
        return None
    task = data.labelled()
    if not len(data.valid):
        raise SteepError("A probe is scored on validation rows: leave valid_share above 0.")
    train, valid = _drawn(data.train, "train", seed), _drawn(data.valid, "valid", seed)
    if not defined(task, primary(task), valid.labels()):
        raise SteepError(
            f"probe: {primary(task)} is undefined on {len(valid):,} validation rows (one class "
            "only?). Raise --valid-share."
        )
    return train, valid


def probe_on(
    parts: Parts | None,
    data: Data,
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    run: runs.Run,
) -> tuple[Rows, Rows] | None:
    """These rows, tokenised for a model; their number is noted."""
    if parts is None:
        return None
    train, valid = (Rows(part, data.labelled(), tokenizer, max_length) for part in parts)
    run.note(
        f"probe: a linear classifier on frozen features learns from {len(train):,} training rows "
        f"and is scored on {len(valid):,} validation rows"
    )
    return train, valid


def _drawn(part: Corpus, name: str, seed: int) -> Corpus:
    """At most `MOST` of the rows, drawn by the seed."""
    if len(part) <= MOST:
        return part
    return part.take(np.sort(numbers(seed, "probe", name).choice(len(part), MOST, replace=False)))
