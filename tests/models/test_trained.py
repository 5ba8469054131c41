"""Does the folder of a fit tell how its model reads and decides, also one of an older version?"""

import json
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest

from steep import runs
from steep.args import FitArgs, MachineArgs
from steep.data.corpus import Corpus, Task
from steep.errors import SteepError
from steep.models.checkpoints import load_classifier, load_tokenizer
from steep.models.trained import load_trained_model
from steep.options import as_mapping, make

TASK = Task("single", ("bad", "good"))
CPU = MachineArgs(device="cpu", precision="fp32")
TEXTS = ["the cat", "a very old film about a night road", "dog", "good bad story was good"]


def written(tiny_bert: Path, folder: Path, args: dict, **more: object) -> Path:
    """A folder as `steep fit` writes it, of a model that was not trained."""
    folder.mkdir(exist_ok=True)
    load_classifier(tiny_bert, TASK, "eager", 0).save_pretrained(folder)
    load_tokenizer(tiny_bert).save_pretrained(folder)
    manifest = {"stage": "fit", "args": args, "notes": [], **more}
    (folder / runs.MANIFEST).write_text(json.dumps(manifest))
    results = {"task": {"kind": "single", "labels": list(TASK.labels)}}
    (folder / runs.RESULTS).write_text(json.dumps(results))
    return folder


@pytest.fixture
def corpus() -> Corpus:
    table = {"row": range(4), "id": list("abcd"), "text": TEXTS}
    return Corpus(datasets.Dataset.from_dict(table), "memory")


def test_a_model_reads_as_in_training(tiny_bert: Path, tmp_path: Path, corpus: Corpus) -> None:
    args = make(FitArgs, text="review", max_length=12, truncation="sliding-max", max_windows=3)
    trained = load_trained_model(written(tiny_bert, tmp_path, as_mapping(args), format=2))
    assert trained.task.labels == TASK.labels
    assert trained.table.text == "review"
    assert (trained.max_length, trained.truncation, trained.sliding.most) == (12, "sliding-max", 3)
    rows = trained.rows(corpus)
    assert rows.max_length == 12 and rows.sliding is not None
    found = trained.predict(corpus, 2, CPU)
    assert found.shape == (4, 2)
    np.testing.assert_allclose(found, trained.compute(rows, CPU, 64), atol=1e-5)


def test_a_folder_of_an_older_version_is_read(tiny_bert: Path, tmp_path: Path) -> None:
    old = {"text": "review", "max_length": 24, "truncation": "sliding-mean", "windows": 5}
    old |= {"accumulate": 1, "encoder": None, "stride": None, "recompute": False}
    trained = load_trained_model(written(tiny_bert, tmp_path, old))
    assert trained.table.text == "review"
    assert (trained.max_length, trained.truncation, trained.sliding.most) == (24, "sliding-mean", 5)


@pytest.mark.parametrize(("truncation", "told"), [("sliding-mean", True), ("head", False)])
def test_windows_of_an_older_version_that_lay_elsewhere_are_told(
    tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture, truncation: str, told: bool
) -> None:
    old = {"max_length": 24, "truncation": truncation, "stride": 16}
    load_trained_model(written(tiny_bert, tmp_path, old))
    message = "fitted with a window every 16 tokens (--stride)"
    assert (message in capsys.readouterr().err) is told


@pytest.mark.parametrize("labels", [["good", "bad"], ["bad", "good", "new"]])
def test_files_of_two_runs_are_told(tiny_bert: Path, tmp_path: Path, labels: list[str]) -> None:
    folder = written(tiny_bert, tmp_path, {"max_length": 24}, format=2)
    results = {"task": {"kind": "single", "labels": labels}}
    (folder / runs.RESULTS).write_text(json.dumps(results))
    with pytest.raises(SteepError, match=r"'task\.labels' names .*config\.json names bad, good"):
        load_trained_model(folder)


def test_windows_that_were_pooled_by_attention_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = written(tiny_bert, tmp_path, {"truncation": "sliding-attention", "max_length": 24})
    with pytest.raises(SteepError, match=r"steep\.json.*'truncation' must be one of"):
        load_trained_model(folder)


@pytest.fixture(scope="module")
def fitted(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of which each test edits one file, in a copy."""
    return written(tiny_bert, tmp_path_factory.mktemp("fitted") / "model", {}, format=2)


MADE, NONE = {"stage": "fit", "args": {}}, {"temperatures": None, "thresholds": None}
EDITS = [
    ("steep.json", {"stage": "fit"}, "the key 'args' is missing"),
    ("steep.json", MADE | {"args": {"max_length": "long"}}, "option 'max_length' must be a whole"),
    ("steep.json", MADE | {"args": {"truncation": None}}, "option 'truncation' must be one of"),
    ("steep.json", MADE | {"stage": "adapt"}, "written by 'steep adapt', not 'fit'"),
    ("steep.json", MADE | {"format": 9}, "written by a newer version of Steep .* Update Steep"),
    ("results.json", {}, "the key 'task' is missing"),
    ("results.json", {"task": {"kind": "single"}}, "the key 'task.labels' is missing"),
    ("results.json", {"task": {"kind": "one", "labels": ["a"]}}, "the key 'task.kind' must be"),
    ("results.json", {"task": {"kind": "single", "labels": ["good", "bad"]}}, "names good, bad"),
    ("results.json", {"task": {"kind": "single", "labels": ["bad"]}}, "'task.labels' names bad, b"),
    ("results.json", {"task": {"kind": "multi", "labels": ["bad", "good"]}}, "says multi, but"),
    ("decisions.json", [], "the content must be an object"),
    ("decisions.json", {"temperatures": None}, "the key 'thresholds' is missing"),
    ("decisions.json", NONE | {"temperatures": 0}, "'temperatures' must be a number"),
    ("decisions.json", NONE | {"temperatures": {"bad": 1}}, "'temperatures.good' is missing"),
    ("decisions.json", NONE | {"thresholds": {"bad": 1}}, "'thresholds.good' is missing"),
    ("decisions.json", NONE | {"thresholds": {"good": -1}}, "'thresholds.good' must be a number"),
]


@pytest.mark.parametrize(("name", "content", "told"), EDITS)
def test_files_edited_by_hand_are_named(
    fitted: Path, tmp_path: Path, name: str, content: object, told: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in fitted.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(SteepError, match=told) as refused:
        load_trained_model(folder)
    assert str(folder) in str(refused.value)


def test_another_engine_replaces_torch(
    tiny_bert: Path, tmp_path: Path, corpus: Corpus, capsys: pytest.CaptureFixture
) -> None:
    trained = load_trained_model(written(tiny_bert, tmp_path, {"max_length": 24}, format=2))
    given = np.linspace(0, 1, 8).reshape(4, 2)
    found = trained.predict(corpus, 2, CPU, compute=lambda rows: given[: len(rows)])
    np.testing.assert_array_equal(found, given)
    assert "rows a second, loading included" in capsys.readouterr().err


def test_a_classifier_of_others_is_read_by_its_configuration(
    tiny_bert: Path, tmp_path: Path
) -> None:
    folder = written(tiny_bert, tmp_path, {})
    for name in (runs.MANIFEST, runs.RESULTS):
        (folder / name).unlink()
    trained = load_trained_model(folder)
    assert (trained.task, trained.max_length, trained.truncation) == (TASK, 64, "head")
    with pytest.raises(SteepError, match="not a trained classifier"):
        load_trained_model(tiny_bert)


def test_a_mistake_is_answered_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from steep.errors import SteepError\n"
        "from steep.models.trained import load_trained_model\n"
        f"try: load_trained_model(Path({str(tmp_path)!r}))\n"
        "except SteepError: print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
