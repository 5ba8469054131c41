"""What lies in a summariser's folder beside the checkpoint of its encoder?

head.safetensors: the linear layer. summariser.json: how sentences are split, read, chosen, counted.
"""

from pathlib import Path
from typing import Any

from steep import runs
from steep.shapes import Choice, Each, Number

HEAD, SUMMARISER = "head.safetensors", "summariser.json"
LAYOUT = ("first", "segments", "max_length", "overlap")
SHAPE = {
    "first": bool,
    "segments": bool,
    "max_length": Number(8, 10**6, whole=True),
    "overlap": Number(0, 0.5),
    "rule": {
        "kind": Choice(("sentences", "words", "ratio")),
        "value": Number(0),
        "block_trigrams": bool,
    },
    "rouge_words": Choice(("english", "any")),
    "columns": Each(str),
    "punkt": {
        "abbreviations": [str],
        "collocations": [(str, str)],
        "starters": [str],
        "contexts": Each(Number(whole=True)),
    },
}


def read_settings(folder: Path) -> dict[str, Any]:
    """The content of summariser.json; SteepError where the folder is no summariser."""
    runs.read_manifest(folder, "summarize fit")
    return runs.read_shaped(folder / SUMMARISER, SHAPE)
