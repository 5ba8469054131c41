"""Which texts go into which batch, and how long is it padded?

Batches hold texts of similar length. Their padded lengths come from a small fixed set: little
padding is computed, and the processor's matrix routines meet the same few shapes again and again.
"""

import numpy as np

from steep.seeds import numbers

STEPS = ((48, 2), (128, 4), (512, 16))  # (up to here, in multiples of)
BUCKETS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # where a batch is a number of tokens
POOL = 50  # batches drawn together before sorting by length, as fastai's SortedDL does


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
