"""What does a model folder say of itself? README.md, a model card as the Hugging Face hub reads it.

It is meant to be handed on with the model: it holds no text of the data and no path of the machine.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from steep import runs
from steep.args import SeedArgs, TuneArgs
from steep.args.training import BaseArgs, FewArgs, ModelArgs
from steep.metrics.summary import headline
from steep.models.hub import CONFIG, OWN_HEAD
from steep.options import options_of
from steep.run_tables import (
    CLASSES,
    PARTS,
    Table,
    bias_in_words,
    compared_table,
    data_tables,
    masked_loss_table,
    parts_in_words,
    score_tables,
    summaries,
)
from steep.wording import count, counted, inline, listed, number, plain, some, verbatim

NAME = "README.md"
FEW = 20  # held-out rows of a class below which its scores are little more than anecdotes
TYPES = {"macro_f1": "f1", "micro_f1": "f1", "auc": "roc_auc", "rmse": "rmse"}  # of the hub
OPTIONS = (ModelArgs, BaseArgs, TuneArgs, FewArgs, SeedArgs)
PATH = re.compile(r"(?<![\w.:/\\>])(?:~|\.{1,2}|[A-Za-z]:)?[/\\](?:[^\s'\"`,;:()|<>]+)")
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
STEP2_LIMITS = (
    "It fills in masked words, and is meant to be fine-tuned; by itself it classifies nothing.",
    "It may have learnt the social biases of the text that it read.",
)
FAIRNESS = "Whether its mistakes fall evenly on groups of people was not examined."
LICENCE = "The licence is what the base checkpoint and the data allow; steep does not know it."

Sections = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class RunRecord:
    """What a run of fit or adapt says of itself: the name of its folder, and what is in there."""

    name: str
    manifest: Mapping[str, Any]
    results: Mapping[str, Any]
    own_head: bool = False
    """Whether transformers has no such head."""

    @property
    def args(self) -> Mapping[str, Any]:
        """The options, by name."""
        return self.manifest["args"]


def write_card(
    folder: Path,
    name: str,
    manifest: Mapping[str, Any],
    results: Mapping[str, Any],
    step2: Path | None = None,
) -> Path:
    """Write README.md into `folder`: the card of a fit that will be called `name`.

    `step2` is the folder of `steep adapt` that it began from.
    """
    adapted = RunRecord(step2.resolve().name, *runs.read_step2(step2)) if step2 else None
    own_head = runs.read_json(folder / CONFIG)["model_type"] == OWN_HEAD
    made = RunRecord(name, manifest, results, own_head)
    ModelCard(_card(made, adapted)).save(folder / NAME)
    return folder / NAME


def write_step2_card(
    folder: Path, name: str, manifest: Mapping[str, Any], results: Mapping[str, Any]
) -> Path:
    """Write README.md into `folder`: the card of a `steep adapt` that will be called `name`."""
    made = RunRecord(name, manifest, results)
    known, base = _base(made, None)
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="fill-mask",
        base_model=known,
        tags=["steep", "fill-mask"],
        model_name=name,
    )
    load = f"from transformers import AutoModel\n\nencoder = AutoModel.from_pretrained({name!r})"
    line = shlex.join(["steep", "fit", "LABELLED.csv", "--model", name, "--out", "model"])
    sections = [
        ("How to load", _joined(verbatim(load, "python"), verbatim(line))),
        ("Step 2: further pre-training", _step2(made, made)),
        ("Limits", _bullets([*STEP2_LIMITS, LICENCE])),
        *_of_run(made),
    ]
    first = f"A masked language model: {base}, further pre-trained on other text by steep."
    text = _whole(made, data, [inline(first)], sections)
    ModelCard(text).save(folder / NAME)
    return folder / NAME


def pathless(text: str) -> str:
    """A text with the paths in it cut to their last name."""
    return PATH.sub(lambda found: re.split(r"[/\\]", found[0].rstrip("/\\"))[-1], text)


def _card(made: RunRecord, step2: RunRecord | None) -> str:
    sections = [
        ("How to load", _loading(made)),
        ("Results", _tables(_results(made))),
        ("Unintended bias", bias_in_words(made.results)),
        ("Limits", _bullets(_limits(made))),
        ("Step 2: further pre-training", _step2(made, step2)),
        ("Step 3: fine-tuning", _options(made)),
        *_of_run(made),
    ]
    compared = _compared(made)
    first = inline(f"{headline(compared)}.") if compared else ""
    opening = [first, inline(_sentence(made, step2))]
    return _whole(made, _metadata(made, step2), opening, sections)


def _of_run(made: RunRecord) -> Sections:
    """Its data, its notes, and what made it."""
    data, versions = made.manifest["data"], made.manifest["versions"]
    return [
        ("Data", _joined(inline(parts_in_words(data)), _tables(data_tables(data)))),
        ("Notes of the run", _bullets([pathless(note) for note in made.manifest["notes"]])),
        ("Made with", _bullets([f"{k}: {v}" for k, v in versions.items()])),
    ]


def _whole(
    made: RunRecord, metadata: ModelCardData, opening: Sequence[str], sections: Sections
) -> str:
    """The text of a card."""
    said = (f"## {inline(title)}\n\n{content}" for title, content in sections if content)
    head, stage = f"---\n{metadata.to_yaml()}\n---", made.manifest["stage"]
    end = f"---\n\nWritten by steep (steep {stage} · {inline(made.name)})\n"
    return _joined(head, f"# {inline(made.name)}", *opening, *said, end)


def _compared(made: RunRecord) -> Mapping[str, Any] | None:
    """The model beside what knows less, on the rows that count."""
    return list(summaries(made.results).values())[-1].get("compared")


def _results(made: RunRecord) -> list[Table]:
    compared = _compared(made)
    tables = score_tables(summaries(made.results), made.results["metric"])
    return [compared_table(compared), *tables] if compared else tables


def _metadata(made: RunRecord, step2: RunRecord | None) -> ModelCardData:
    part, summary = list(summaries(made.results).items())[-1]
    files = listed([file["name"] for file in made.manifest["data"]["files"]])
    return ModelCardData(
        library_name="steep" if made.own_head else "transformers",
        pipeline_tag="text-classification",
        base_model=_base(made, step2)[0],
        tags=["steep", "text-classification", made.results["task"]["kind"]],
        model_name=made.name,
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type="table",
                dataset_name=files,
                dataset_split=PARTS[part],
                metric_type=TYPES.get(name, name),
                metric_name=plain(name),
                metric_value=round(found["value"], 4),
            )
            for name, found in summary["metrics"].items()
        ],
    )


def _sentence(made: RunRecord, step2: RunRecord | None) -> str:
    labels = made.results["task"]["labels"]
    kind = {
        "single": f"Assigns each text one of {counted(len(labels), 'class')}",
        "multi": f"Assigns each text any of {counted(len(labels), 'label')}",
        "regression": f"Predicts {counted(len(labels), 'number')} for each text",
    }[made.results["task"]["kind"]]
    return f"{kind}: {some(labels, CLASSES)}. Fine-tuned from {_base(made, step2)[1]} by steep."


def _loading(made: RunRecord) -> str:
    """Code that gives what `steep predict` gives, and where it does not."""
    line = ["steep", "predict", made.name, "new.csv", "--out", "predictions.csv"]
    command = verbatim(shlex.join(line))
    if made.own_head:
        return _joined(
            command,
            f"pipeline() of transformers refuses this folder: its head reads the pooling "
            f"'{inline(made.args['pooling'])}', which transformers does not have.",
        )
    many = ", top_k=None" if made.results["task"]["kind"] == "multi" else ""
    code = (
        "from transformers import pipeline\n\n"
        f'classify = pipeline("text-classification", {json.dumps(made.name)}{many})\n'
        f'classify("a text", truncation=True, max_length={made.args["max_length"]})'
    )
    differences = []
    if made.args["truncation"].startswith("sliding"):
        differences.append("pipeline() reads only the head of a long text, steep all its windows.")
    elif made.args["truncation"] != "head":
        kept = made.args["truncation"]
        differences.append(f"pipeline() keeps the head of a long text, steep its {kept}.")
    if made.results.get("decisions"):
        differences.append("pipeline() applies neither the thresholds nor the temperatures.")
    return _joined(command, verbatim(code, "python"), _bullets(differences))


def _limits(made: RunRecord) -> list[str]:
    part, summary = list(summaries(made.results).items())[-1]
    found = [
        f"The scores are of {counted(summary['rows'], f'{PARTS[part]} row')}. They hold for texts "
        "of the same kind; other sources, times and languages were not tried."
    ]
    if part == "valid":
        found.append("These rows also selected the epoch, so the scores are too good.")
    if rare := [c["label"] for c in summary.get("per_class") or [] if c["rows"] < FEW]:
        found.append(f"Classes with fewer than {FEW} of these rows: {some(rare, CLASSES)}.")
    return [*found, _read(made.args), *([] if made.results.get("bias") else [FAIRNESS]), LICENCE]


def _read(args: Mapping[str, Any]) -> str:
    """How much of a text the model reads."""
    tokens = f"{args['max_length']:,} tokens"
    if args["truncation"].startswith("sliding"):
        return f"A text is read in at most {counted(args['max_windows'], 'window')} of {tokens}."
    return f"At most {tokens} of a text are read."


def _step2(made: RunRecord, step2: RunRecord | None) -> str:
    if step2 is not None:
        found = step2.results
        facts = [
            f"text: {listed([source['name'] for source in found.get('sources', [])])}",
            f"documents: {count(found.get('documents'))}",
            f"tokens trained on: {count(found.get('tokens'))}",
            f"passes: {number(found.get('epochs'), 2)}",
        ]
        return _joined(_bullets(facts), masked_loss_table(found).markdown)
    if made.args.get("base"):
        encoder = Path(made.args["model"]).name
        return f"The encoder is that of {inline(encoder)}, which steep did not adapt."
    return "None: fine-tuning began from the checkpoint as it is."


def _options(made: RunRecord) -> str:
    """Every option of the training, as it was; of checkpoints in folders only the name."""
    values = {o.name: made.args.get(o.name) for kind in OPTIONS for o in options_of(kind)}
    for name in ("model", "base"):
        if given := values[name]:
            values[name] = _hub_name(given) or Path(given).name
    rows = [(name.replace("_", " "), str(v)) for name, v in values.items() if v is not None]
    best = made.results.get("best_epoch")
    note = f"The weights of epoch {best} were kept." if best is not None else ""
    return Table("Options", ("option", "value"), "ll", rows, note).markdown


def _base(made: RunRecord, step2: RunRecord | None) -> tuple[str | None, str]:
    """The checkpoint that all began with: its name on the hub (None for a folder), and its name."""
    start = made if step2 is None or made.args.get("base") else step2
    given = made.args.get("base") or start.args.get("model") or start.manifest["base"]
    name = _hub_name(given, "" if start is made else start.manifest["base"])
    return name, name or Path(given).name


def _hub_name(given: str, found: str = "") -> str | None:
    """`given`, unless it is a folder: one that is there, or one that was `found` there."""
    folder = Path(given).exists() or Path(given) == Path(found)
    return given if HUB_NAME.fullmatch(given) and not folder else None


def _tables(tables: Sequence[Table]) -> str:
    return _joined(*(table.markdown for table in tables))


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {inline(item)}" for item in items)


def _joined(*pieces: str) -> str:
    """Paragraphs of Markdown, without the empty ones."""
    return "\n\n".join(piece for piece in pieces if piece)
