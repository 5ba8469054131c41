"""Which texts go into which batch, how long is it padded, and how much does each count?

Batches hold texts of similar length. Their padded lengths come from a small fixed set: little
padding is computed, and the processor's matrix routines meet the same few shapes again and again.

Of the weights of rows only proportions matter: they are scaled to a mean of 1 over the training
rows (of several labels, over the rows for each label), so that the learning rate keeps its meaning
and a row of weight 0 is ignored.
"""

import numpy as np

from steep.args.training import LossArgs
from steep.data.corpus import Corpus, Task
from steep.data.raw import Column
from steep.errors import SteepError
from steep.seeds import numbers
from steep.wording import quoted, some, split_at_commas

STEPS = ((48, 2), (128, 4), (512, 16))  # (up to here, in multiples of)
BUCKETS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # where a batch is a number of tokens
POOL = 50  # batches drawn together before sorting by length, as fastai's SortedDL does
BETA = 0.999  # Cui 2019 tries 0.9 to 0.9999
LIGHTEST, HEAVIEST = 1e-6, 1_000_000  # of the weights that are given by name
MANY = 30  # labels that messages name
FORMS = "none, balanced, effective, effective:0.99 or NAME=NUMBER,..."


def padded_length(longest: int) -> int:
    """The smallest length of the fixed set that holds `longest` tokens."""
    step = next((step for most, step in STEPS if longest <= most), 128)
    return -(-longest // step) * step


def bucket(longest: int) -> int:
    """The smallest of `BUCKETS` that holds `longest` tokens; few, as each has a smaller batch."""
    return next((length for length in BUCKETS if length >= longest), -(-longest // 128) * 128)


def shuffled(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """An order of the texts, int64 (n,): random, but of similar lengths within each batch.

    It depends on seed and epoch alone (stream "order"), so that it can be drawn again.
    """
    random = numbers(seed, "order", epoch)
    grouped = _grouped(random.permutation(len(lengths)), lengths, batch_size)
    full = len(grouped) // batch_size * batch_size  # a last, smaller batch stays last
    batches = grouped[:full].reshape(-1, batch_size)
    return np.concatenate([random.permutation(batches).ravel(), grouped[full:]])


def _grouped(order: np.ndarray, lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """The texts of `order`, each `POOL` batches of them from the longest to the shortest."""
    pools = np.split(order, range(batch_size * POOL, len(order), batch_size * POOL))
    return np.concatenate([pool[np.argsort(-lengths[pool], kind="stable")] for pool in pools])


def by_length(lengths: np.ndarray) -> np.ndarray:
    """The order from the longest text to the shortest: if memory runs out, it does so at once."""
    return np.argsort(-lengths, kind="stable")


def by_tokens(lengths: np.ndarray, batch_tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Batches of positions, about `batch_tokens` tokens each with padding, in random order.

    Every text is in exactly one batch. All batches of a bucket have the same number of rows, apart
    from one that is smaller; texts in a batch are of similar lengths within the bucket, too.
    """
    random = numbers(seed, "order", epoch)
    order = random.permutation(np.arange(len(lengths), dtype=np.int32))
    table = np.array([bucket(n) for n in range(int(lengths.max()) + 1)], np.int32)
    padded = table[lengths[order]]
    batches: list[np.ndarray] = []
    for length in np.unique(padded):
        rows = max(1, batch_tokens // int(length))
        members = _grouped(order[padded == length], lengths, rows)
        batches.extend(np.split(members, range(rows, len(members), rows)))
    return [batches[i] for i in random.permutation(len(batches))]


def pad(inputs: list[np.ndarray], value: int, length: int) -> np.ndarray:
    """The rows side by side, int64 (rows, length), padded with `value` at the end."""
    batch = np.full((len(inputs), length), value, np.int64)
    for row, ids in zip(batch, inputs, strict=True):
        row[: len(ids)] = ids
    return batch


def packed(spans: np.ndarray, room: int, separator: int) -> np.ndarray:
    """`spans` (n, 2) joined where they lie end to end and fit into `room` tokens together.

    `separator` tokens are counted between two. What is joined are neighbours, in their order; a
    span stays alone where the next one lies elsewhere (as what lies between is held out).
    """
    ends = np.cumsum(spans[:, 1] - spans[:, 0] + separator)
    apart = np.flatnonzero(spans[1:, 0] != spans[:-1, 1]) + 1
    fences = np.append(apart, len(spans))
    first, found = 0, []
    while first < len(spans):
        before = ends[first - 1] if first else 0
        fits = int(np.searchsorted(ends, before + room + separator, side="right"))
        fence = int(fences[np.searchsorted(fences, first, side="right")])
        last = max(first + 1, min(fits, fence))
        found.append((spans[first, 0], spans[last - 1, 1]))
        first = last
    return np.array(found, np.int64).reshape(-1, 2)


def inner_edges(edges: np.ndarray, begin: int, end: int) -> np.ndarray:
    """The document edges, ascending, that lie inside (begin, end)."""
    return edges[np.searchsorted(edges, begin, "right") : np.searchsorted(edges, end, "left")]


def separators(edges: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """How many document edges lie inside each span (n, 2), int64 (n,)."""
    return np.searchsorted(edges, spans[:, 1], "left") - np.searchsorted(
        edges, spans[:, 0], "right"
    )


def example_weights(column: Column) -> np.ndarray:
    """A column of weights, float64 (n,).

    Raises SteepError at a cell that is no number, or a negative one, or if all are 0.
    """
    weights = column.numbers("a weight of 0 or more", least=0)
    if not weights.any():
        raise SteepError(f"{column.where}: every weight is 0; nothing could be learnt.")
    return weights


def check_loss(task: Task, loss: LossArgs) -> None:
    """Raises SteepError if the options of the loss do not suit the task."""
    by_class = _named(task, loss.class_weights)
    if task.kind == "regression":
        wrong = {
            "class_weights": loss.class_weights != "none",
            "loss": loss.loss != "cross-entropy",
            "label_smoothing": loss.label_smoothing > 0,
        }
        for name in (name for name, given in wrong.items() if given):
            raise SteepError(f"{name}: a regression has no classes. Leave the option out.")
    for label in (by_class or {}).keys() - {*task.labels}:
        raise SteepError(
            f"class_weights: there is no label {quoted(label)}. The labels are "
            f"{some(task.labels, MANY)}."
        )


def weights_of_rows(train: Corpus, task: Task, loss: LossArgs) -> np.ndarray | None:
    """Weights of the training rows, float64 (n,), or (n, labels) of several labels; None for all 1.

    A row of several labels has one weight for each: that of the label where it has it, that of its
    absence where not. Raises SteepError if every row that is used has weight 0.
    """
    plain, by_class = train.weights(), loss.class_weights
    if by_class == "none" and "weight" not in train.table.column_names:
        return None
    labels = train.labels()
    counts = _each_class(task, labels, by_class)
    weights = counts * (plain if counts.ndim == 1 else plain[:, None])
    means = weights.mean(axis=0)
    if not np.all(means > 0):
        raise SteepError("Every training row that is used has weight 0; nothing could be learnt.")
    return weights / means


def _each_class(task: Task, labels: np.ndarray, by_class: str) -> np.ndarray:
    """How much rows count by their classes: (n,) single, (n, labels) multi."""
    if task.kind == "regression" or (by_class == "none" and task.kind == "single"):
        return np.ones(len(labels))
    if task.kind == "single":
        counts = np.bincount(labels, minlength=len(task.labels))
        return _per_class(task, counts, by_class)[labels]
    truth = labels > 0.5
    have = truth.sum(axis=0)
    off = "none" if _named(task, by_class) is not None else by_class
    lack = _rarity(len(truth) - have, off)
    return np.where(truth, _per_class(task, have, by_class), lack)


def _per_class(task: Task, counts: np.ndarray, by_class: str) -> np.ndarray:
    """The weight of each class (labels,), up to a common factor."""
    named = _named(task, by_class)
    if named is not None:
        return np.array([named.get(label, 1.0) for label in task.labels])
    return _rarity(counts, by_class)


def _rarity(counts: np.ndarray, rule: str) -> np.ndarray:
    """Weights of classes with so many rows, up to a common factor.

    balanced: 1 / count, as in scikit-learn (King & Zeng 2001, "Logistic regression in rare events
    data"). effective: 1 / (1 - beta^count), the effective number of rows where each one also
    covers its neighbours (Cui, Jia, Lin, Song & Belongie 2019, "Class-balanced loss based on
    effective number of samples", equation 4).
    """
    if rule == "none":
        return np.ones(len(counts))
    counts = np.maximum(counts, 1)  # the weight of a class without rows is never used
    name, _, beta = rule.partition(":")
    return 1.0 / counts if name == "balanced" else 1 / (1 - float(beta or BETA) ** counts)


def _named(task: Task, text: str) -> dict[str, float] | None:
    """The weights that the user gives by name; None for a rule. SteepError for what is neither."""
    name, _, beta = text.partition(":")
    if text in ("none", "balanced", "effective"):
        return None
    try:
        if name == "effective" and 0 <= float(beta) < 1:
            return None
        commas = max((label.count(",") for label in task.labels), default=0)
        parts = split_at_commas(text, lambda part: _label(part) in task.labels, commas)
        found = {_label(part): float(part.rpartition("=")[2]) for part in parts if "=" in part}
    except ValueError:
        parts, found = [text], {}
    if len(found) != len(parts) or not all(LIGHTEST <= w <= HEAVIEST for w in found.values()):
        raise SteepError(
            f"class_weights {quoted(text)}: expected {FORMS}, with numbers from {LIGHTEST:g} to "
            f"{HEAVIEST:,}."
        )
    return found


def _label(part: str) -> str:
    """The name in NAME=NUMBER."""
    return part.rpartition("=")[0].strip()
