"""What does a model folder say of itself? README.md, a model card as the Hugging Face hub reads it.

It is meant to be handed on with the model: it holds no text of the data and no path of the machine.
"""

import dataclasses
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from steep.args import TuneArgs
from steep.args.data import DataArgs
from steep.args.run import RunArgs, SaveArgs, TrackArgs
from steep.reports import background, run
from steep.reports.blocks import Block, Command, Facts, Notes, Page, Section, Table
from steep.reports.folder import RunFolder
from steep.reports.page import render
from steep.reports.words import count, counted, listed, number, plain

NAME = "README.md"
FEW = 20  # held-out rows of a class below which its scores are little more than anecdotes
TYPES = {"macro_f1": "f1", "micro_f1": "f1", "auc": "roc_auc", "rmse": "rmse"}  # of the hub
OTHERS = {
    f.name for kind in (DataArgs, RunArgs, SaveArgs, TrackArgs) for f in dataclasses.fields(kind)
}


def write(folder: Path, made: RunFolder, step2: RunFolder | None) -> Path:
    """Write README.md into `folder`: the card of the fit `made`; `step2` is its adaptation."""
    page = Page(
        title=made.name,
        origin=f"steep fit · {made.name}",
        question=made.name,
        answer="",
        sentence=_sentence(made),
        sections=[
            Section("How to load", _loading(made)),
            Section("Results", run.results(run.summaries(made), made.results["metric"])),
            Section("Limits", [Notes("What to bear in mind", _limits(made))]),
            Section("Step 2: further pre-training on own text", *_step2(made, step2)),
            Section("Step 3: fine-tuning", [_recipe(made)]),
            background.data(made.manifest, made.manifest["notes"]),
            Section("Made with", [Facts(list(made.manifest["versions"].items()))]),
        ],
        footer="Written by steep",
    )
    path = folder / NAME
    text = f"---\n{_metadata(made).to_yaml()}\n---\n\n{render(page, 'page.md.j2')}"
    ModelCard(text).save(path)
    return path


def _metadata(made: RunFolder) -> ModelCardData:
    part, summary = list(run.summaries(made).items())[-1]
    files = listed([file["name"] for file in made.manifest["data"]["files"]])
    return ModelCardData(
        library_name="steep" if _pooling(made) else "transformers",
        pipeline_tag="text-classification",
        base_model=_hub_name(made.manifest["args"]["model"]),
        tags=["steep", "text-classification", made.results["task"]["kind"]],
        model_name=made.name,
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type="table",
                dataset_name=files,
                dataset_split=run.PARTS[part],
                metric_type=TYPES.get(name, name),
                metric_name=plain(name),
                metric_value=round(found["value"], 4),
            )
            for name, found in summary["metrics"].items()
        ],
    )


def _sentence(made: RunFolder) -> str:
    task, base = made.results["task"], _base(made)
    names = listed(task["labels"][: run.CLASSES])
    more = len(task["labels"]) - run.CLASSES
    said = names + (f" and {more:,} more" if more > 0 else "")
    kind = {
        "single": f"one of {counted(len(task['labels']), 'class')}: {said}",
        "multi": f"any of {counted(len(task['labels']), 'label')}: {said}",
        "regression": f"{counted(len(task['labels']), 'number')}: {said}",
    }[task["kind"]]
    return f"Gives each text {kind}. Fine-tuned from {base} by steep."


def _loading(made: RunFolder) -> list[Block]:
    """Code that gives what `steep predict` gives, and where it does not."""
    args = made.manifest["args"]
    command = Command(f"steep predict {made.name} new.csv --out predictions.csv")
    if _pooling(made):
        why = f"Its head reads the pooling '{args['pooling']}', which transformers does not know: "
        return [command, Notes("Not for pipeline()", [why + "pipeline() refuses this folder."])]
    many = ", top_k=None" if made.results["task"]["kind"] == "multi" else ""
    code = (
        "from transformers import pipeline\n\n"
        f'classify = pipeline("text-classification", "{made.name}"{many})\n'
        f'classify("a text", truncation=True, max_length={args["max_length"]})'
    )
    differ = []
    if args["truncation"] != "head":
        differ.append(f"steep keeps {args['truncation']} of a long text; pipeline() its head.")
    if made.results.get("decisions"):
        differ.append("pipeline() knows neither the thresholds nor the temperatures of steep.")
    notes: list[Block] = [Notes("Where pipeline() differs", differ)] if differ else []
    return [command, Command(code, "python"), *notes]


def _limits(made: RunFolder) -> list[str]:
    part, summary = list(run.summaries(made).items())[-1]
    found = [
        f"The scores are of {counted(summary['rows'], 'row')} of the {run.PARTS[part]} part. They "
        "hold for texts of the same kind; other sources, times and languages were not tried."
    ]
    if part == "valid":
        found.append("The validation rows chose the epoch, too, so that the scores flatter.")
    rare = [c["label"] for c in summary.get("per_class") or [] if c["rows"] < FEW]
    if rare:
        some = listed(rare[: run.CLASSES])
        found.append(f"Fewer than {FEW} of these rows have {some}: say little about them.")
    length = made.manifest["args"]["max_length"]
    return [
        *found,
        f"Of a text, at most {length} tokens are read.",
        "It was not examined whether it treats groups of people alike.",
        "Licence: what the base checkpoint and the data allow; steep does not know it.",
    ]


def _step2(made: RunFolder, step2: RunFolder | None) -> tuple[list[Block], str]:
    """Blocks and a lead."""
    encoder = made.manifest["args"]["encoder"]
    if encoder is None:
        return [], "None: the encoder began as the base checkpoint has it."
    if step2 is None:
        return [], f"The encoder is that of {Path(encoder).name}, which steep did not adapt."
    found = step2.results
    facts = [
        ("text", listed([source["name"] for source in found.get("sources", [])])),
        ("documents", count(found.get("documents"))),
        ("tokens read", count(found.get("tokens"))),
        ("passes", number(found.get("epochs"), 2)),
    ]
    return [Facts(facts), *run.masked_loss(step2)[-1:]], ""


def _recipe(made: RunFolder) -> Table:
    """Every option of the training, as it was."""
    args = made.manifest["args"]
    names = [f.name for f in dataclasses.fields(TuneArgs) if f.name not in OTHERS]
    paths = {"model": _base(made), "encoder": args["encoder"] and Path(args["encoder"]).name}
    values = {name: paths.get(name, args[name]) for name in [*names, "label_budget", "seed"]}
    rows = [(name.replace("_", " "), str(v)) for name, v in values.items() if v is not None]
    best = made.results.get("best_epoch")
    note = f"The weights of epoch {best} were kept." if best is not None else ""
    return Table("Options", ("option", "value"), "ll", rows, note)


def _pooling(made: RunFolder) -> bool:
    return made.manifest["args"].get("pooling", "model") != "model"


def _base(made: RunFolder) -> str:
    """The hub's name of the base checkpoint, or that of its folder without the way there."""
    given = made.manifest["args"]["model"]
    return _hub_name(given) or Path(given or made.manifest["base"]).name


def _hub_name(given: str | None) -> str | None:
    return None if given is None or Path(given).exists() or given.count("/") > 1 else given
