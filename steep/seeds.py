"""Where randomness comes from: one seed, and a stream of its own for every named purpose.

`numbers(0, "split")` and `numbers(0, "order", 3)` are independent streams, so that drawing more
from one (a longer training, say) never moves another (the head's initial weights).
"""

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream `names` under `seed`; the same on every machine."""
    key = "/".join(str(part) for part in (seed, *names)).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1


def numbers(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the stream `names` under `seed`."""
    return np.random.default_rng(derive(seed, *names))
