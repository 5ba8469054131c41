"""What lies in a summariser's folder beside the checkpoint of its encoder? Settings, and its card.

head.safetensors: the linear layer. summariser.json: how sentences are split, read, chosen, counted.
README.md: a model card as the hub reads it, without any text of the data or path of the machine.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard

from steep import runs
from steep.models.model_card import LICENCE, pathless
from steep.shapes import Choice, Each, Number
from steep.shelf.summarize.measure import rouge_table
from steep.wording import inline, listed, verbatim

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
LIMITS = (
    "A summary is made of the document's own sentences. It can mislead all the same: a pronoun may "
    "have lost what it stands for, and what follows from a sentence may not be there.",
    "ROUGE counts words in common with a reference; it does not measure truth or style.",
    LICENCE,
)
CARD = """---
library_name: steep
pipeline_tag: summarization
tags: [steep, summarization, extractive]
---

# {name}

Chooses the sentences of a document that make its summary. Trained from {base} on {files} by steep.

## How to use

{command}

## Results

{results}

## How it reads

Documents are read in windows of whole sentences, {length:,} tokens each; a sentence's vector is
{vectors}. By default a summary has {rule}, chosen on the validation documents.

## Limits

{limits}

## Notes of the run

{notes}

Written by steep {version}.
"""


def read_settings(folder: Path) -> dict[str, Any]:
    """The content of summariser.json; SteepError where the folder is no summariser."""
    runs.read_manifest(folder, "summarize fit")
    return runs.read_shaped(folder / SUMMARISER, SHAPE)


def write_summary_card(
    folder: Path, name: str, manifest: Mapping[str, Any], results: Mapping[str, Any]
) -> None:
    """Write README.md into `folder`, the card of a summariser that will be called `name`."""
    part = "test" if "test" in results else "valid"
    files = listed([file["name"] for file in manifest["data"]["files"]])
    first = results["sentence_vectors"] == "cls"
    line = ["steep", "summarize", "predict", name, "new.jsonl", "--out", "summaries.jsonl"]
    text = CARD.format(
        name=inline(name),
        base=inline(Path(str(manifest["args"]["model"])).name),
        files=inline(files),
        command=verbatim(shlex.join(line)),
        results=rouge_table(results[part], part).markdown,
        length=results["max_length"],
        vectors="a [CLS] before it" if first else "the mean of its tokens",
        rule=results["rule_in_words"],
        limits="\n".join(f"- {limit}" for limit in LIMITS),
        notes="\n".join(f"- {inline(pathless(note))}" for note in manifest["notes"]),
        version=manifest["versions"]["steep"],
    )
    ModelCard(text).save(folder / runs.CARD)
