"""Does what is shared hold the model, and nothing of the data? And is the hub given just that?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, ModelCard

from steep import runs
from steep.models.model_card import write_card, write_step2_card
from tests.reports import conftest as samples

Steep = Callable[..., Any]
CONFIG = {"model_type": "bert", "id2label": {"0": "/r/cats", "1": "__x__"}}
KEPT = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def finished(folder: Path, **args: Any) -> Path:
    """The files of a checkpoint in a run folder, with its card and hashes of its texts."""
    manifest, results = (runs.read_json(folder / f) for f in (runs.MANIFEST, runs.RESULTS))
    manifest["args"] |= args
    runs.write_json(folder / runs.MANIFEST, manifest)
    for name in (*KEPT, runs.SEEN, runs.SPLITS, "1_Pooling/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"_name_or_path": "/home/me/net"} | CONFIG))
    if manifest["stage"] == "adapt":
        write_step2_card(folder, folder.name, manifest, results)
    else:
        step2 = Path(str(args.get("model")))
        write_card(folder, folder.name, manifest, results, step2 if step2.is_dir() else None)
    return folder


@pytest.fixture
def adapted(tmp_path: Path) -> Path:
    return finished(samples.adapt(tmp_path / "adapted"), model="bert-base-cased")


@pytest.fixture
def model(tmp_path: Path, adapted: Path) -> Path:
    return finished(samples.fit(tmp_path / "model"), model=str(adapted))


def test_the_copy_holds_the_model_and_nothing_of_the_data(
    steep: Steep, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "given"
    steep("share", model, "--licence apache-2.0 --language en --language de --out", out)
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert there == {*KEPT, "README.md", "1_Pooling/config.json"}
    assert json.loads((out / "config.json").read_text()) == CONFIG
    card = ModelCard.load(out / "README.md")
    assert (card.data.license, card.data.language) == ("apache-2.0", ["en", "de"])
    assert card.data.base_model == "bert-base-cased", "through the adapted one"
    assert "Licence: apache-2.0." in card.text and "steep does not know it" not in card.text
    assert str(tmp_path) not in "".join(p.read_text() for p in out.rglob("*") if p.is_file())


def test_an_adapted_checkpoint_has_a_card_and_is_shared_too(
    steep: Steep, adapted: Path, tmp_path: Path
) -> None:
    card = ModelCard.load(adapted / "README.md")
    assert (card.data.pipeline_tag, card.data.base_model) == ("fill-mask", "bert-base-cased")
    assert "2.813" in card.text and "AutoModel.from_pretrained('adapted')" in card.text
    steep("share", adapted, "--out", tmp_path / "given")
    assert (tmp_path / "given" / "README.md").is_file()


def test_a_base_is_found_through_two_adaptations(
    steep: Steep, adapted: Path, tmp_path: Path
) -> None:
    second = finished(samples.adapt(tmp_path / "second"), model=str(adapted))
    steep("share", second, "--out", tmp_path / "given")
    assert ModelCard.load(tmp_path / "given" / "README.md").data.base_model == "bert-base-cased"


def test_a_path_in_a_card_is_refused(refused: Callable[..., str], model: Path) -> None:
    with (model / "README.md").open("a") as card:
        card.write("\nSee /home/me/notes.txt for more.\n")
    said = refused("share", model, "--out", model.parent / "given")
    assert "names a path (/home/me/notes.txt)" in said


def test_the_name_of_a_class_is_no_path(steep: Steep, model: Path) -> None:
    with (model / "README.md").open("a") as card:
        card.write("\nThe classes are /r/cats and \\_\\_x\\_\\_.\n")
    steep("share", model, "--out", model.parent / "given")


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("README.md", "---\na: [1\n---\n", "README.md: not a model card"),
        ("README.md", "---\n- a\n---\n", "README.md: not a model card"),
        ("config.json", "[]", "config.json: the content must be an object"),
        ("config.json", '{"id2label": 3}', "'id2label' is 3"),
        ("tokenizer_config.json", "{", "tokenizer_config.json: not valid JSON"),
    ],
)
def test_files_that_were_edited(
    refused: Callable[..., str], model: Path, file: str, content: str, told: str
) -> None:
    (model / file).write_text(content)
    assert told in refused("share", model, "--out", model.parent / "given")
    assert not (model.parent / "given").exists()


@pytest.mark.parametrize("named", ["adapted", 3, ["x"]])
def test_what_no_base_is_known_of(
    steep: Steep, adapted: Path, monkeypatch: pytest.MonkeyPatch, named: Any
) -> None:
    """Such as a folder that began from one of its own name, in another place."""
    manifest = runs.read_json(adapted / runs.MANIFEST)
    runs.write_json(adapted / runs.MANIFEST, manifest | {"args": {"model": named}})
    text = (adapted / "README.md").read_text().replace("base_model: bert-base-cased\n", "")
    (adapted / "README.md").write_text(text)
    monkeypatch.chdir(adapted.parent)
    steep("share", "adapted", "--out", "given")
    assert ModelCard.load(adapted.parent / "given" / "README.md").data.base_model is None


def test_what_is_no_model_is_refused(
    refused: Callable[..., str], model: Path, tmp_path: Path
) -> None:
    assert "not a folder written by" in refused("share", tmp_path, "--out", tmp_path / "given")
    assert "as owner/name" in refused("share", model, "--upload me --out", tmp_path / "given")
    (model / "README.md").unlink()
    assert "there is no model card" in refused("share", model, "--out", tmp_path / "given")


def test_an_upload_gives_the_hub_the_copy(
    steep: Steep, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def create(_: HfApi, name: str, **how: Any) -> None:
        calls.append((name, how["private"]))

    def send(_: HfApi, *, repo_id: str, folder_path: Path, **__: Any) -> str:
        calls.append((repo_id, folder_path))
        return "its address"

    monkeypatch.setattr(HfApi, "create_repo", create)
    monkeypatch.setattr(HfApi, "upload_folder", send)
    done = steep("share", model, "--upload me/model --out", tmp_path / "given")
    assert calls == [("me/model", True), ("me/model", tmp_path / "given")]
    assert "uploaded: its address" in done.stderr

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no route to the hub")

    monkeypatch.setattr(HfApi, "create_repo", refuse)
    done = steep("share", model, "--upload me/model --out", tmp_path / "again", code=2)
    assert "was not reached (no route to the hub). Log in with 'hf auth login'" in done.stderr
    assert (tmp_path / "again" / "README.md").is_file()
