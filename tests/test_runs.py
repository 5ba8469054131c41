"""What is read from a run folder, and what is said where it is no such folder?"""

import json
from pathlib import Path

import pytest

from steep import runs
from steep.args import FitArgs
from steep.args.renamed import FORMAT
from steep.errors import SteepError
from steep.options import read_toml


def test_a_folder_without_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="not a folder written by 'steep fit'"):
        runs.read_manifest(tmp_path, "fit")


def test_a_run_of_another_stage_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    runs.write_json(tmp_path / "x" / runs.MANIFEST, runs.manifest("adapt", FitArgs()))
    with pytest.raises(SteepError, match="written by 'steep adapt', not 'fit'"):
        runs.read_manifest(tmp_path / "x", "fit")


def test_options_of_the_version_before_have_new_names(tmp_path: Path) -> None:
    old = {"stage": "fit", "args": {"model": "bert", "encoder": "adapted", "clip": 0.5}}
    runs.write_json(tmp_path / runs.MANIFEST, old)
    new = {"model": "adapted", "base": "bert", "max_grad_norm": 0.5}
    assert runs.read_manifest(tmp_path, "fit") == old | {"args": new}
    runs.write_json(tmp_path / runs.STUDY, {"stage": "compare", "args": {"budget": "8h"}})
    assert runs.manifest_at(tmp_path / runs.STUDY)["args"] == {"time_limit": "8h"}
    made = {"stage": "fit", "format": FORMAT, "args": {"clip": 0.5}}
    runs.write_json(tmp_path / runs.MANIFEST, made)
    assert runs.read_manifest(tmp_path, "fit") == made


def test_the_stage_of_a_folder_is_known_where_there_is_one(tmp_path: Path) -> None:
    runs.write_json(tmp_path / runs.MANIFEST, {"stage": "adapt", "args": {}})
    assert runs.stage_of(str(tmp_path)) == "adapt"
    assert runs.stage_of(tmp_path / "nowhere") is None
    assert runs.stage_of("bert-base-uncased") is None
    assert runs.stage_of(None) is None


def test_a_folder_where_a_file_is_expected_is_named(tmp_path: Path) -> None:
    for read in (runs.read_json, read_toml):
        with pytest.raises(SteepError, match="this is a folder, but a file is expected"):
            read(tmp_path)
        with pytest.raises(SteepError, match="File name too long"):
            read(tmp_path / ("a" * 300))


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_a_broken_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / runs.MANIFEST).write_bytes(content)
    with pytest.raises(SteepError, match=r"steep\.json: not valid JSON"):
        runs.read_manifest(tmp_path, "fit")


def test_a_manifest_that_is_no_object_is_named(tmp_path: Path) -> None:
    (tmp_path / runs.MANIFEST).write_text("[]")
    with pytest.raises(SteepError, match=r"steep\.json: the content must be an object, not a list"):
        runs.read_manifest(tmp_path, "fit")


def test_json_and_csv_are_plain(tmp_path: Path) -> None:
    runs.write_json(tmp_path / "a.json", {"name": "Ünal"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "Ünal"}
    runs.write_csv(tmp_path / "deep" / "a.csv", [{"x": 1, "y": 'say "hi",\nyou'}])
    assert (tmp_path / "deep" / "a.csv").read_bytes() == b'x,y\r\n1,"say ""hi"",\nyou"\r\n'
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.csv"]
