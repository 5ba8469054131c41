"""What is read from a run folder, and what is said where it is no such folder?"""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from steep import runs
from steep.args import FitArgs
from steep.errors import SteepError
from steep.runs import FORMAT
from steep.toml_files import read_toml


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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"format": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b'{"stage": "fit", "stage": "adapt"}', "the key 'stage' is there twice"),
        (rb'{"stage": "fit", "args": {}, "notes": ["\ud83d"]}', "not valid JSON"),
        (b"[]", "the content must be an object, not a list"),
        (b"{}", "the key 'stage' is missing"),
        (b'{"stage": "fit"}', "the key 'args' is missing"),
        (b'{"stage": 1, "args": {}}', "the key 'stage' must be a text, not 1"),
        (b'{"stage": "fit", "args": []}', "the key 'args' must be an object, not a list"),
        (b'{"stage": "fit", "args": {}, "format": "2"}', "the key 'format' must be a whole number"),
        (b'{"stage": "fit", "args": {}, "notes": [1]}', r"the key 'notes\[0\]' must be a text"),
        (
            b'{"format": 3}',
            r"newer version .* is 3, this version reads up to 2\)\. Update Steep",
        ),
    ],
)
def test_a_broken_manifest_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / runs.MANIFEST).write_bytes(content)
    with pytest.raises(SteepError, match=told) as refused:
        runs.read_manifest(tmp_path, "fit")
    assert str(refused.value).startswith(str(tmp_path / runs.MANIFEST))
    assert len(str(refused.value)) < len(str(tmp_path)) + 300


def test_an_editor_on_windows_may_have_saved_it(tmp_path: Path) -> None:
    (tmp_path / runs.MANIFEST).write_bytes(b'\xef\xbb\xbf{"stage": "fit",\r\n"args": {}}')
    assert runs.read_manifest(tmp_path, "fit")["args"] == {}


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


HASHES = npy(np.arange(9, dtype=np.uint64))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\x93NUMPY",
        b"PK\x03\x04 as of a zip file",
        HASHES[:-8],
        HASHES[:100],
        HASHES.replace(b"(9,)", b"(9" + b"0" * 12 + b",)"),
        npy(np.arange(9)),
        npy(np.ones(9)),
        npy(np.zeros((3, 3), np.uint64)),
        npy(np.array([None, "text"]), pickled=True),
    ],
)
def test_hashes_that_are_none_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / runs.SEEN).write_bytes(content)
    with pytest.raises(SteepError, match=r"seen\.npy: not the hashes of .* Remove the file to go"):
        runs.read_hashes(tmp_path)


def test_hashes_come_back_and_are_none_where_no_file_is(tmp_path: Path) -> None:
    assert runs.read_hashes(tmp_path).dtype == np.uint64
    for hashes in ([], [3, 1, 2, 3]):
        runs.write_hashes(tmp_path, np.array(hashes, np.uint64))
        assert runs.read_hashes(tmp_path).tolist() == sorted({*hashes})


def test_json_and_csv_are_plain(tmp_path: Path) -> None:
    runs.write_json(tmp_path / "a.json", {"name": "Ünal"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "Ünal"}
    runs.write_csv(tmp_path / "deep" / "a.csv", [{"x": 1, "y": 'say "hi",\nyou'}])
    assert (tmp_path / "deep" / "a.csv").read_bytes() == b'x,y\r\n1,"say ""hi"",\nyou"\r\n'
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.csv"]


def test_a_path_that_is_not_utf_8_is_written_as_it_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    runs.write_json(path, {"model": "caf\udce9/ü", "text": "a\nb"})
    assert runs.read_json(path) == {"model": "caf\\xe9/ü", "text": "a\nb"}
