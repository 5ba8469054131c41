"""Is the model card one that the hub reads, and does it say what was done, and nothing private?"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from steep import runs
from steep.args import FitArgs
from steep.args.training import FewArgs
from steep.models.model_card import write_card
from steep.options import options_of
from tests.reports import conftest as samples

Json = dict[str, Any]


@pytest.fixture
def made(tmp_path: Path) -> tuple[Json, Json]:
    """The manifest and the results of a finished fit."""
    folder = samples.fit(tmp_path / "model")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    manifest = runs.read_manifest(folder, "fit")
    manifest["args"] |= {"pooling": "model", "epochs": 4, "batch_size": 16}  # as a fit settles them
    return manifest, runs.read_json(folder / runs.RESULTS)


def card(made: tuple[Json, Json], folder: Path, step2: Path | None = None, **args: Any) -> str:
    """The text of the card, if the fit had these options."""
    manifest, results = made
    changed = manifest | {"args": manifest["args"] | args}
    return write_card(folder, "model", changed, results, step2).read_text("utf-8")


def test_the_hub_reads_it(made: tuple[Json, Json], tmp_path: Path) -> None:
    found = ModelCard.load(write_card(tmp_path, "model", *made))
    assert found.data.base_model == "bert-base-uncased"
    assert (found.data.library_name, found.data.pipeline_tag) == (
        "transformers", "text-classification"
    )  # fmt: skip
    result = found.data.eval_results[0]
    assert result.metric_type == "accuracy" and result.dataset_split == "test"
    known = made[1]["test"]["metrics"]["accuracy"]["value"]
    assert result.metric_value == pytest.approx(known, abs=1e-4)
    assert result.dataset_name == "reviews.csv"
    assert "one of 2 classes: negative, positive. Fine-tuned from bert-base-uncased" in found.text
    assert 'pipeline("text-classification", "model")' in found.text
    assert "max_length=256" in found.text
    assert "None: fine-tuning began from the checkpoint as it is." in found.text
    assert "Labelled: 840 training, 120 validation and 120 test rows." in found.text


def test_every_option_of_the_training_is_said(made: tuple[Json, Json], tmp_path: Path) -> None:
    text = card(made, tmp_path, learning_rate=3e-5, layer_decay=0.8, label_budget=90)
    for row in ("learning rate | 3e-05", "layer decay | 0.8", "label budget | 90", "seed | 3"):
        assert f"| {row} |" in text
    tuning = {o.name for o in options_of(FitArgs) if o.path[0] == "tune"}
    few = {o.name for o in options_of(FewArgs)}
    table = text.partition("**Options**")[2].partition("\n\n##")[0]
    said = {line.split(" | ")[0].strip("| ") for line in table.splitlines() if line.count("|") == 3}
    said = {name.replace(" ", "_") for name in said}
    assert tuning <= said <= tuning | few | {"option", ":---", "model", "seed"}


def test_it_tells_of_step_2(made: tuple[Json, Json], tmp_path: Path) -> None:
    step2 = samples.adapt(tmp_path / "adapted")
    manifest = runs.read_json(step2 / runs.MANIFEST)
    manifest["args"]["model"] = "org/base"
    runs.write_json(step2 / runs.MANIFEST, manifest)
    text = card(made, tmp_path, step2, model=str(step2))
    assert "12,044" in text and "2.813" in text and "2.104" in text
    assert "| model | adapted |" in text and str(tmp_path) not in text
    assert ModelCard(text).data.base_model == "org/base", "where step 2 began"
    grafted = card(made, tmp_path, step2, model=str(step2), base="bert-base-cased")
    assert ModelCard(grafted).data.base_model == "bert-base-cased"
    assert "| base | bert-base-cased |" in grafted


def test_an_adaptation_of_the_version_before_is_read(
    made: tuple[Json, Json], tmp_path: Path
) -> None:
    step2 = samples.adapt(tmp_path / "adapted")
    manifest = runs.read_json(step2 / runs.MANIFEST)
    del manifest["format"]
    old = {"model": "../nets/bert", "clip": 1.0, "patience": None}
    runs.write_json(step2 / runs.MANIFEST, manifest | {"args": old, "base": "../nets/bert"})
    text = card(made, tmp_path, step2, model=str(step2))
    assert "Fine-tuned from bert by steep." in text
    assert ModelCard(text).data.base_model is None, "a folder is no model of the hub"


def test_no_text_and_no_path_is_handed_on(made: tuple[Json, Json], tmp_path: Path) -> None:
    text = card(made, tmp_path, model=str(tmp_path), base=str(tmp_path / "gone"))
    assert str(tmp_path) not in text and "We left halfway" not in text
    assert ModelCard(text).data.base_model is None
    assert "which steep did not adapt" in text


def test_what_pipeline_cannot_do_is_said(made: tuple[Json, Json], tmp_path: Path) -> None:
    text = card(made, tmp_path, truncation="tail")
    assert "keeps the head of a long text, steep its tail." in text
    windows = card(made, tmp_path, truncation="sliding-mean", max_windows=4)
    assert "steep all its windows" in windows
    assert "A text is read in at most 4 windows of 256 tokens." in windows
    assert "from transformers import" in card(made, tmp_path, pooling="mean")
    (tmp_path / "config.json").write_text('{"model_type": "steep_pooled"}')
    pooled = card(made, tmp_path, pooling="concat")
    assert "refuses this folder" in pooled and "from transformers import" not in pooled
    assert ModelCard(pooled).data.library_name == "steep"


def test_its_first_sentence_says_whether_anything_was_learnt(
    made: tuple[Json, Json], tmp_path: Path
) -> None:
    assert "Compared with baselines" not in card(made, tmp_path)
    gain = {"value": 0.5, "gain": 0.3, "low": 0.2, "high": 0.4}
    counts = {"value": 0.7, "gain": 0.1, "low": 0.05, "high": 0.15}
    found = {"metric": "accuracy", "skill": True}
    made[1]["test"]["compared"] = found | {"baselines": {"constant": gain, "word_counts": counts}}
    text = card(made, tmp_path)
    said = "Better than word counts: accuracy 0.800, 0.100 above word counts (0.050 to 0.150)."
    assert text.partition("# model\n\n")[2].startswith(said)
    assert "| word counts | 0.700 | +0.100 | +0.050 to +0.150 |" in text


def test_rare_classes_are_named(tmp_path: Path) -> None:
    folder = samples.fit(tmp_path / "model", labels=("a", "b", "c"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    made = runs.read_manifest(folder, "fit"), runs.read_json(folder / runs.RESULTS)
    made[1]["test"]["per_class"][2]["rows"] = 90
    assert "Classes with fewer than 20 of these rows: a, b." in card(made, tmp_path)


def test_a_fit_needs_no_page_for_it(tmp_path: Path) -> None:
    """What a fit imports for its card is light, and no report."""
    code = (
        "import sys, steep.runs, steep.args, steep.wording, huggingface_hub\n"
        "known = {*sys.modules}\n"
        "import steep.models.model_card\n"
        "new = {name for name in sys.modules if name not in known}\n"
        "print(sorted(name for name in new if name.startswith('steep')))\n"
        "print(sorted(name for name in ('jinja2', 'pandas', 'matplotlib', 'torch') if name in new))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules, heavy = done.stdout.splitlines()
    assert "steep.run_tables" in modules and "steep.reports" not in modules
    assert heavy == "[]"
