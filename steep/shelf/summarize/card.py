"""What does a summariser's folder say of itself? README.md, a model card as the hub reads it.

No text of the data is in it, and no path of the machine.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from steep import runs
from steep.models.model_card import pathless
from steep.run_tables import PARTS, Table
from steep.shelf.summarize.measure import MODEL, SHOWN
from steep.wording import NOTHING, inline, listed, number, span, verbatim

LIMITS = (
    "A summary is made of the document's own sentences. It can mislead all the same: a pronoun may "
    "have lost what it stands for, and what follows from a sentence may not be there.",
    "ROUGE counts words in common with a reference; it does not measure truth or style.",
    "The licence is what the base checkpoint and the data allow; steep does not know it.",
)


def write_summary_card(
    folder: Path, name: str, manifest: Mapping[str, Any], results: Mapping[str, Any]
) -> None:
    """Write README.md into `folder`, the card of a summariser that will be called `name`."""
    part = "test" if "test" in results else "valid"
    base = Path(str(manifest["args"]["model"])).name
    files = listed([file["name"] for file in manifest["data"]["files"]])
    data = _metadata(name, files, part, results[part]["rouge"][MODEL])
    line = ["steep", "summarize", "predict", name, "new.jsonl", "--out", "summaries.jsonl"]
    notes = "\n".join(f"- {inline(pathless(note))}" for note in manifest["notes"])
    sections = {
        "How to use": verbatim(shlex.join(line)),
        "Results": rouge_table(results[part], part).markdown,
        "How it reads": _reading(results),
        "Limits": "\n".join(f"- {inline(limit)}" for limit in LIMITS),
        "Notes of the run": notes,
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    version = manifest["versions"]["steep"]
    first = inline(
        f"Chooses the sentences of a document that make its summary. Trained from {base} on "
        f"{files} by steep."
    )
    end = f"Written by steep {version}."
    whole = f"---\n{data.to_yaml()}\n---\n\n# {inline(name)}\n\n{first}\n\n{body}\n\n{end}\n"
    ModelCard(whole).save(folder / runs.CARD)


def _metadata(name: str, files: str, part: str, rouge: Mapping[str, Any]) -> ModelCardData:
    """What the hub reads; `rouge` is that of the summariser on this part."""
    return ModelCardData(
        library_name="steep",
        pipeline_tag="summarization",
        tags=["steep", "summarization", "extractive"],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type="summarization",
                dataset_type="table",
                dataset_name=files,
                dataset_split=PARTS[part],
                metric_type="rouge",
                metric_name=shown,
                metric_value=round(rouge[key]["value"], 2),
            )
            for key, shown in SHOWN.items()
        ],
    )


def rouge_table(found: Mapping[str, Any], part: str) -> Table:
    """ROUGE of all ways, with intervals of ROUGE-1, in points."""
    rows = [
        (
            name,
            *(number(own[key]["value"], 2) for key in SHOWN),
            number(found["words"][name], 1),
            *_gain(found["gains"].get(name)),
        )
        for name, own in found["rouge"].items()
    ]
    columns = ("", *SHOWN.values(), "words", "gain of the model", "95 % interval")
    note = (
        "F measures in points, of stemmed words in English and of words elsewhere; Lsum with one "
        "sentence a line. Gains: mean of R-1, R-2 and R-Lsum, paired over documents. All but the "
        "oracle are as long as the summariser's rule says; the oracle's sentences are the labels."
    )
    caption = f"ROUGE on {found['documents']:,} {PARTS[part]} documents"
    return Table(caption, columns, "l" + "r" * 7, rows, note, strong=MODEL)


def _gain(gain: Mapping[str, float] | None) -> tuple[str, str]:
    if gain is None:
        return NOTHING, NOTHING
    return number(gain["value"], 2, sign=True), span(gain["low"], gain["high"], sign=True)


def _reading(results: Mapping[str, Any]) -> str:
    vectors = "a [CLS] before each" if results["sentence_vectors"] == "cls" else "its tokens' mean"
    return (
        f"Documents are read in windows of whole sentences, {results['max_length']:,} tokens each; "
        f"a sentence's vector is {vectors}. By default a summary has {results['rule_in_words']}, "
        "chosen on the validation documents."
    )
