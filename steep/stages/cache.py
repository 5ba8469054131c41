"""steep cache: what the cache holds, and what of it is removed."""

import math
import re
import time
from typing import Any

from steep.args import CacheArgs, CachePart
from steep.console import tell
from steep.data.cache_entries import KINDS, Entry, entries, surplus
from steep.data.cache_files import cache_folder
from steep.errors import SteepError
from steep.wording import quoted

DAY = 24 * 60 * 60  # seconds
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SHOWN = 8  # characters of a name


def cache(*, args: CacheArgs) -> dict[str, Any]:
    """List the cache, or prune it: printed, and returned as plain JSON.

    Whatever a process uses stays. Raises SteepError for options that do not go together.
    """
    part, found = args.cache, entries()
    if not part.prune and (part.older_than is not None or part.keep is not None):
        raise SteepError("older_than and keep say what is removed: add --prune, or leave them out.")
    lines = [_line(entry) for entry in found]
    whole = sum(entry.size for entry in found)
    findings = {"folder": str(cache_folder()), "bytes": whole, "entries": lines}
    if part.prune:
        return findings | {"removed": _prune(found, part)}
    for entry, line in zip(found, lines, strict=True):
        used = "in use" if line["in_use"] else line["used"]
        tell(f"{entry.name[:SHOWN]}  {_size(entry.size):>12}  {used:<16}  {KINDS[entry.kind]}")
    tell(f"{cache_folder()}: {len(found):,} entries, {_size(whole)}")
    return findings


def _line(entry: Entry) -> dict[str, Any]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
    what = {"kind": entry.kind, "name": entry.name, "bytes": entry.size}
    return what | {"used": used, "in_use": entry.is_used()}


def _prune(found: list[Entry], part: CachePart) -> dict[str, int]:
    """Remove what the options say, or everything; how much that was."""
    everything = part.keep is None and part.older_than is None
    before = time.time() - part.older_than * DAY if part.older_than is not None else -math.inf
    kept = parse_size(part.keep) if part.keep is not None else math.inf
    chosen = found if everything else surplus(found, before, kept)
    gone = [entry for entry in chosen if entry.remove()]
    freed, used = sum(entry.size for entry in gone), len(chosen) - len(gone)
    told = f"removed {len(gone):,} of {len(found):,} entries, {_size(freed)}"
    tell(f"{told}; {used:,} in use stay" if used else told)
    return {"entries": len(gone), "bytes": freed, "in_use": used}


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def parse_size(text: str) -> int:
    """Bytes of a size such as 5GB or 500 MB; SteepError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B)", text.strip().upper())
    if not match:
        raise SteepError(f"keep {quoted(text)}: write a size such as 5GB or 500MB.")
    return int(float(match[1]) * UNITS[match[2]])
