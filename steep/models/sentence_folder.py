"""Is a checkpoint one of sentence-transformers? How it pools, and its files, carried along."""

import json
import shutil
from pathlib import Path

from steep.models.hub import find

POOLING = Path("1_Pooling") / "config.json"
FILES = (
    *(Path("modules.json"), Path("sentence_bert_config.json"), POOLING),
    Path("config_sentence_transformers.json"),
)


def pools_by_mean(checkpoint: str | Path) -> bool:
    """Whether sentence-transformers pools this checkpoint by the mean of its tokens."""
    path = find(checkpoint) / POOLING
    if not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    if not isinstance(content, dict):
        return False
    return bool(content.get("pooling_mode_mean_tokens")) or content.get("pooling_mode") == "mean"


def carry(source: Path, out: Path) -> None:
    """Copy what makes a folder one of sentence-transformers, so that `out` loads there, too."""
    for file in FILES:
        if (source / file).is_file():
            (out / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / file, out / file)
