"""How does one keep the allocator from giving memory back to the system at every step?

glibc maps every block above 32 MB afresh and unmaps it when freed. Logits, the gradient of the
embeddings and attention scores are such blocks, and touching fresh pages costs more than computing
on them (an addition of 50 MB: 48 ms against 13 ms).
"""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # names and numbers of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let freed blocks up to 1 GB be used again; for the rest of the process.

    Returns whether it could be done: only glibc knows how.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
