"""Are options, checkpoints and folders that cannot be used explained in one message?"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification

from steep.errors import SteepError
from steep.stages import evaluate

Steep = Callable[..., Any]
Refused = Callable[..., str]
Fitted = Callable[[str], Path]
Words = tuple[Path | str, ...]


@pytest.fixture
def base(tables: Path, tiny_bert: Path, tmp_path: Path) -> Words:
    """The words of a fit that would work, if its inputs were not 256 tokens long."""
    return (tables / "single.csv", "--label label --model", tiny_bert, "--out", tmp_path / "out")


def without(folder: Path, model: Path, name: str, content: bytes | None) -> Path:
    """A copy of the checkpoint `model` in which the file `name` is missing, or has `content`."""
    shutil.copytree(model, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("command", ["fit", "adapt", "compare", "check"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{ garbage"),
        ("model.safetensors", None),
        ("model.safetensors", "truncated"),
        ("tokenizer.json", b"{ garbage"),
    ],
)
def test_a_checkpoint_that_cannot_be_read(
    refused: Refused,
    tables: Path,
    tiny_bert: Path,
    tmp_path: Path,
    command: str,
    name: str,
    content: bytes | str | None,
) -> None:
    if content == "truncated":
        content = (tiny_bert / name).read_bytes()[:-1000]
    model = without(tmp_path / "model", tiny_bert, name, content)
    words = ("--label label --max-length 32", "--model", model, "--out", tmp_path / "out")
    words = words if command != "check" else ("--label label --model", model)
    assert str(model) in refused(command, tables / "single.csv", *words)


COMMANDS = {
    "adapt": "--label label --model {model} --out {out}",
    "fit": "--label label --max-length 32 --model {model} --out {out}",
    "compare": "--label label --max-length 32 --model {model} --out {out}",
    "check": "--label label --model {model}",
    "lr-find": "--label label --max-length 32 --model {model}",
    "select": "--near {table} --label label --by encoder --model {model} --out {out}",
    "multitask": "{second} --label label --max-length 32 --model {model} --out {out}",
    "predict": "--out {out}",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_half_a_checkpoint_is_refused_by_every_command_alike(
    refused: Refused, tables: Path, tiny_bert: Path, command: str, tmp_path: Path
) -> None:
    """It lacks a layer; then its tokenizer is missing, too."""
    table, model = tables / "single.csv", tmp_path / "model"
    second = shutil.copy(table, tmp_path / "second.csv")
    BertForSequenceClassification.from_pretrained(tiny_bert).save_pretrained(model)
    weights = load_file(model / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1" not in name}
    save_file(kept, model / "model.safetensors", {"format": "pt"})
    shutil.copy(tiny_bert / "tokenizer.json", model)
    named = {"model": model, "out": tmp_path / "out", "table": table, "second": second}
    first = (model, table) if command == "predict" else (table,)
    words = (command, *first, COMMANDS[command].format(**named))
    assert refused(*words).startswith(
        f"{model}: the encoder's weights are incomplete: "
        "bert.encoder.layer.1.attention.output.LayerNorm.bias, "
        "bert.encoder.layer.1.attention.output.LayerNorm.weight and 14 more missing, 16 of 37."
    )
    (model / "tokenizer.json").unlink()
    assert refused(*words).startswith(f"{model}: its tokenizer is missing")


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("name", "content"), [("config.json", None), ("model.safetensors", None), ("steep.json", b"{")]
)
def test_a_model_that_cannot_be_read(
    refused: Refused,
    tables: Path,
    fitted: Fitted,
    tmp_path: Path,
    command: str,
    name: str,
    content: bytes | None,
) -> None:
    model = without(tmp_path / "model", fitted("single"), name, content)
    words = (model, tables / "single.csv", "--out", tmp_path / "out")
    assert str(model) in refused(command, *words)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_folder_that_is_no_model(
    refused: Refused, tables: Path, adapted: Path, tiny_bert: Path, command: str, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out")
    for folder, told in (
        (tables, "not a checkpoint folder"),
        (adapted, "written by 'steep adapt', not 'fit'"),
        (tiny_bert, "not a trained classifier"),
        (tables / "nothing", "there is no such folder"),
    ):
        message = refused(command, folder, tables / "single.csv", *out)
        assert message.startswith(f"{folder}: ")
        assert told in message


ALL, LABELLED, STUDY = ("adapt", "fit", "compare"), ("fit", "compare"), ("compare",)
MISTAKES = [
    (ALL, "--max-length 100", "max_length 100: the checkpoint takes 8 to 64 tokens"),
    (ALL, "--learning-rate -1", "'learning_rate' must be at least 0, not -1"),
    (ALL, "--valid-share 1.5", "valid_share must be from 0 to below 1, not 1.5"),
    (ALL, "--valid-share 0.6 --test-share 0.4", "leave no rows for training"),
    (ALL, "--device mps", "device mps: torch finds none"),
    (ALL, "--text nonsense", "there is no column 'nonsense'"),
    (ALL, "--splits no.json", "no.json: there is no such file"),
    (("adapt",), "--mlm-probability 2", "'mlm_probability' must be at most 0.9, not 2"),
    (("adapt",), "--epochs 0", "'epochs' must be at least 0.001, not 0"),
    (LABELLED, "--epochs 0", "'epochs' must be at least 1, not 0"),
    (LABELLED, "--metric rmse", "no metric 'rmse' for a single task. Choose one of accuracy"),
    (LABELLED, "--batch-size 0", "'batch_size' must be at least 1"),
    (LABELLED, "--gradient-accumulation-steps 0", "must be at least 1, not 0"),
    (ALL, "--learning-rate nan", "'learning_rate' must be a finite number, not nan"),
    (STUDY, "--arms base,adapted,elmo", "no arm 'elmo'"),
    (STUDY, "--arms tfidf,base", "a study needs base and adapted"),
    (STUDY, "--test-share 0", "test rows, to compare on"),
    (STUDY, "--unlabelled no.txt", "no.txt: there is no such file"),
    (STUDY, "", "max_length 128: the checkpoint takes 8 to 64 tokens"),
]


@pytest.mark.parametrize(
    ("command", "words", "told"), [(c, words, told) for cs, words, told in MISTAKES for c in cs]
)
def test_an_option_that_cannot_be(
    refused: Refused, base: Words, short_step2: Path, command: str, words: str, told: str
) -> None:
    length = "" if words.startswith("--max-length") else "--max-length 32"
    study = ("--config", short_step2) if command == "compare" and words else ()
    assert told in refused(command, *base, length, *study, words)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (
            "[fit]\nlearning_rat = 0.1\n",
            "no option 'learning_rat' in 'steep fit'. Did you mean 'learning_rate'?",
        ),
        ("[fit]\nepochs = 'two'\n", "option 'epochs' must be a whole number, not 'two'"),
        ("[fit]\nepochs = 0\n", "option 'epochs' must be at least 1, not 0"),
    ],
)
def test_a_recipe_that_cannot_be(
    refused: Refused, base: Words, tmp_path: Path, toml: str, told: str
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toml)
    message = refused("fit", *base, "--config", recipe)
    assert str(recipe) in message or "epochs = 0" in toml
    assert told in message


@pytest.mark.parametrize("command", ["fit", "adapt", "compare"])
def test_a_folder_in_use_is_left_alone_unless_overwrite_says_otherwise(
    steep: Steep, refused: Refused, base: Words, short_step2: Path, command: str
) -> None:
    out = base[-1]
    assert isinstance(out, Path)
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    message = refused(command, *base, "--max-length 32")
    assert message == f"{out} is in use. Choose another --out, or add --overwrite.\n"
    message = refused(command, *base, "--max-length 32 --overwrite")
    assert message.startswith(f"{out} was not written by Steep, so --overwrite does not remove it.")
    (out / ("study.json" if command == "compare" else "steep.json")).write_text("{}")
    message = refused(command, *base, "--max-length 32 --overwrite")
    assert message.startswith(f"{out} holds what Steep did not write (thesis.txt), so --overwrite")
    (out / "thesis.txt").rename(out / "splits.json")  # a name that Steep writes
    study = ("--seeds 1 --config", short_step2) if command == "compare" else ()
    steep(command, *base, "--max-length 32 --epochs 1 --overwrite", *study)
    assert "mine" not in (out / "splits.json").read_text()


def test_a_file_in_use_is_left_alone(
    steep: Steep, refused: Refused, fitted: Fitted, tables: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.csv"
    out.write_text("mine")
    words = ("predict", fitted("single"), tables / "single.csv", "--out", out)
    assert refused(*words) == f"{out} is in use. Choose another --out, or add --overwrite.\n"
    steep(*words, "--overwrite")
    assert out.read_text().startswith("id,label,probability,p_negative,p_positive\n")


@pytest.mark.parametrize("command", ["fit", "adapt", "compare", "predict"])
def test_a_place_that_cannot_be_written(
    refused: Refused, base: Words, fitted: Fitted, command: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "out"
    words = (*base[:-1], out, "--max-length 32")
    if command == "predict":
        words = (fitted("single"), base[0], "--out", out)
    assert str(tmp_path / "file") in refused(command, *words)


def test_a_check_says_at_once_that_it_cannot_write(
    refused: Refused, tables: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    words = (tables / "single.csv", "--label label --out", tmp_path / "file" / "out.json")
    assert refused("check", *words).startswith(f"{tmp_path / 'file'} is a file")


def test_what_cannot_be_written_is_printed_at_least(
    steep: Steep,
    tables: Path,
    fitted: Fitted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise SteepError("the disk is full")

    monkeypatch.setattr(evaluate, "_keep", fail)
    words = (fitted("single"), tables / "single.csv", "--label label --out")
    done = steep("evaluate", *words, tmp_path / "out", code=2)
    assert "single.csv" in done.stdout
    assert done.stderr.splitlines()[-1] == "Error: the disk is full"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for the small files of a run, but for no checkpoint."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("command", ["fit", "adapt", "compare"])
def test_a_disk_without_room(
    refused: Refused, base: Words, short_step2: Path, command: str, full_disk: Path
) -> None:
    study = ("--keep-going --config", short_step2) if command == "compare" else ()
    words = (*base[:-1], full_disk / "out", "--max-length 32", *study)
    assert "MB are free. Make room" in refused(command, *words)


def test_a_disk_without_room_for_predictions(
    refused: Refused, fitted: Fitted, tables: Path, full_disk: Path
) -> None:
    (full_disk / "filler").write_bytes(b"x" * 65_000)
    words = (fitted("single"), tables / "single.csv", "--out", full_disk / "p.csv")
    assert "the disk is full" in refused("predict", *words)


@pytest.mark.parametrize("command", ["fit", "adapt"])
def test_a_learning_rate_beyond_reason_leaves_nothing_or_a_whole_model(
    steep: Steep, base: Words, command: str
) -> None:
    out = base[-1]
    assert isinstance(out, Path)
    try:
        steep(command, *base, "--max-length 32 --learning-rate 10 --weight-decay 1000 --epochs 2")
    except AssertionError as failed:
        assert "Choose a learning_rate below 10 or a weight_decay below 1000" in str(failed)
        assert list(out.parent.iterdir()) == []
    else:
        assert (out / "model.safetensors").is_file()


def test_a_budget_of_one_label_is_raised_to_one_of_each_class(steep: Steep, base: Words) -> None:
    done = steep("fit", *base, "--max-length 32 --epochs 1 --label-budget 1")
    assert "2 of 140 training labels are used" in done.stderr


def test_a_text_of_which_everything_is_held_out(
    refused: Refused, tiny_bert: Path, tmp_path: Path
) -> None:
    text = tmp_path / "one.txt"
    text.write_text("one film .\n")
    words = (text, "--valid-share 0 --test-share 0 --max-length 32 --model", tiny_bert)
    message = refused("adapt", *words, "--out", tmp_path / "out")
    assert "some must be held out and some left to train on" in message


def test_a_checkpoint_without_a_mask_token(
    refused: Refused, base: Words, tiny_bert: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_bert, model)
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings["mask_token"] = None
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    words = (base[0], "--label label --max-length 32 --model", model, "--out", tmp_path / "out")
    assert "mask token" in refused("adapt", *words)
