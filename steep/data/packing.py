"""How do several short documents share a window? End to end, with a separator between two.

As the FULL-SENTENCES of RoBERTa (Liu et al. 2019, section 4.1), but that no document is cut to fill
a window: only one longer than a window is.
"""

import numpy as np


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
