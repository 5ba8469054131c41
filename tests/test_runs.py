"""Is a run folder complete or not there at all?"""

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from steep import runs
from steep.args import FitArgs
from steep.args.renamed import FORMAT
from steep.errors import SteepError
from steep.options import make


def left(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_run_appears_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "model"
    with runs.writing(out, "fit", make(FitArgs, epochs=2, valid="v.csv")) as run:
        run.record(rows=3)
        run.note("2 rows were dropped.")
        run.note("2 rows were dropped.")
        (run.folder / "weights").write_text("x")
        assert not out.exists()
    assert left(out.parent) == ["model"]
    assert left(out) == ["steep.json", "weights"]
    manifest = runs.read_manifest(out, "fit")
    assert manifest["args"]["epochs"] == 2
    assert manifest["args"]["valid"] == "v.csv"
    assert manifest["rows"] == 3
    assert manifest["notes"] == ["2 rows were dropped."]
    assert manifest["seconds"] >= 0


@pytest.mark.parametrize("error", [SteepError, ZeroDivisionError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), runs.writing(tmp_path / "model", "fit", FitArgs()) as run:
        (run.folder / "weights").write_text("x")
        raise error
    assert left(tmp_path) == []


def test_a_folder_in_use_is_refused_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with (
        pytest.raises(SteepError, match="is in use. Choose another --out, or add --overwrite"),
        runs.writing(out, "fit", FitArgs()),
    ):
        pytest.fail("the run must not start")
    assert (out / "thesis.txt").read_text() == "mine"


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with runs.writing(tmp_path / "model", "fit", FitArgs()):
        pass
    assert left(tmp_path / "model") == ["steep.json"]


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.write_text("mine")
    with pytest.raises(SteepError, match="is a file"):
        runs.check_free(out, overwrite=True)


def test_overwrite_replaces_the_whole_folder_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.mkdir()
    (out / "old").write_text("x")
    (out / "steep.json").write_text("{}")
    with runs.writing(out, "fit", FitArgs(), overwrite=True) as run:
        (run.folder / "new").write_text("x")
        assert left(out) == ["old", "steep.json"]
    assert left(tmp_path) == ["model"]
    assert left(out) == ["new", "steep.json"]


def test_overwrite_that_fails_keeps_the_old_folder(tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.mkdir()
    (out / "old").write_text("x")
    (out / "steep.json").write_text("{}")
    with (
        pytest.raises(ZeroDivisionError),
        runs.writing(out, "fit", FitArgs(), overwrite=True),
    ):
        raise ZeroDivisionError
    assert left(tmp_path) == ["model"]
    assert left(out) == ["old", "steep.json"]


def test_a_full_disk_is_explained_and_nothing_is_left(tiny_disk: Path) -> None:
    with (
        pytest.raises(SteepError, match="the disk is full; nothing was written") as refused,
        runs.writing(tiny_disk / "model", "fit", FitArgs()) as run,
    ):
        (run.folder / "weights").write_bytes(bytes(200_000))
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.ENOSPC
    assert left(tiny_disk) == []


def test_a_disk_full_of_weights_is_explained(tiny_disk: Path) -> None:
    with (
        pytest.raises(SteepError, match="nothing was written: .*No space left on device"),
        runs.writing(tiny_disk / "model", "fit", FitArgs()) as run,
    ):
        save_file({"weights": np.zeros(50_000)}, run.folder / "model.safetensors")
    assert left(tiny_disk) == []


def test_space_is_checked_before_the_work(tiny_disk: Path) -> None:
    runs.check_space(tiny_disk / "deep" / "model", 10_000)
    with pytest.raises(SteepError, match="200 MB are needed, but only 0 MB are free"):
        runs.check_space(tiny_disk / "deep" / "model", 200_000_000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_explained(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(SteepError, match="may not be written"),
        runs.writing(tmp_path / "model", "fit", FitArgs()),
    ):
        pytest.fail("the run must not start")


def test_a_path_through_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(SteepError, match="Not a directory"),
        runs.writing(tmp_path / "file" / "model", "fit", FitArgs()),
    ):
        pytest.fail("the run must not start")


def test_a_folder_without_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="not a folder written by 'steep fit'"):
        runs.read_manifest(tmp_path, "fit")


def test_a_run_of_another_stage_is_named(tmp_path: Path) -> None:
    with runs.writing(tmp_path / "x", "adapt", FitArgs()):
        pass
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


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_a_broken_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / runs.MANIFEST).write_bytes(content)
    with pytest.raises(SteepError, match=r"steep\.json: not valid JSON"):
        runs.read_manifest(tmp_path, "fit")


def test_a_manifest_that_is_no_object_is_named(tmp_path: Path) -> None:
    (tmp_path / runs.MANIFEST).write_text("[]")
    with pytest.raises(SteepError, match=r"steep\.json: not a JSON object"):
        runs.read_manifest(tmp_path, "fit")


def test_json_and_csv_are_plain(tmp_path: Path) -> None:
    runs.write_json(tmp_path / "a.json", {"name": "Ünal"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "Ünal"}
    runs.write_csv(tmp_path / "deep" / "a.csv", [{"x": 1, "y": 'say "hi",\nyou'}])
    assert (tmp_path / "deep" / "a.csv").read_bytes() == b'x,y\r\n1,"say ""hi"",\nyou"\r\n'
    assert left(tmp_path / "deep") == ["a.csv"]
