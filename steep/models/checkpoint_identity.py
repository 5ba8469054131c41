"""What is a checkpoint, beyond its name? A hash of the files that make it what it is."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from steep.models.checkpoint_files import VOCABULARIES, weight_files
from steep.models.hub import CONFIG, find

TOKENIZER = (
    *VOCABULARIES,
    *("merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
WHOLE = 200_000_000  # bytes of a file up to which all of it is hashed
BLOCK, BLOCKS = 2**18, 256  # bytes of a block, and blocks, of a file that is larger


def checkpoint_identity(name: str | Path) -> str:
    """A hash of configuration, weights and tokenizer: 32 digits, the same for a copy elsewhere.

    Of a weights file beyond `WHOLE` bytes, its size, its header (names and shapes) and `BLOCKS`
    blocks at even distances are hashed: a training changes all of them, but a change of single
    weights between two blocks goes unseen. Raises SteepError where there is no checkpoint.
    """
    folder, found = find(name), hashlib.sha256()
    patterns = (CONFIG, *TOKENIZER)
    small = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    for path in sorted({*small, *weight_files(name, folder)}):
        found.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        for piece in _pieces(path):
            found.update(piece)
    return found.hexdigest()[:32]


def _pieces(path: Path) -> Iterator[bytes]:
    """The content of a file, or what is looked at of a large one."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size <= WHOLE:
            while piece := stream.read(BLOCK):
                yield piece
            return
        header = int.from_bytes(stream.read(8), "little")  # of safetensors: its length comes first
        yield stream.read(min(header, WHOLE))
        for number in range(BLOCKS):
            stream.seek(number * (size - BLOCK) // (BLOCKS - 1))
            yield stream.read(BLOCK)
