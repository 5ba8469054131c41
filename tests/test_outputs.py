"""Is an output complete or not there at all, and is nothing lost that Steep did not write?"""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from steep import outputs, places, runs
from steep.args import CheckArgs, CompareArgs, FitArgs
from steep.errors import SteepError
from steep.options import make
from steep.places import check_config, find_place, inputs_of

Check = Callable[[Path], object]
HOLD = "import sys; from steep.outputs import claimed; from pathlib import Path\n"
HOLD += "with claimed(Path(sys.argv[1]), sys.argv[2]): print(1, flush=True); input()"


def left(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(entry.name for entry in folder.iterdir())


def finished(out: Path, **files: str) -> Path:
    """A run folder of Steep with these files."""
    with outputs.writing(out, "fit", FitArgs()) as run:
        for name, content in files.items():
            path = run.folder / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
    return out


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
    with outputs.writing(out, "fit", make(FitArgs, epochs=2, valid="v.csv")) as run:
        run.record(rows=3)
        run.note("2 rows were dropped.")
        run.note("2 rows were dropped.")
        (run.folder / "weights").write_text("x")
        (run.folder / "weights").chmod(0o600)  # as safetensors leaves it
        assert not out.exists()
    assert left(out.parent) == ["model"]
    assert left(out) == ["steep.json", "weights"]
    assert (out / "weights").stat().st_mode == (out / "steep.json").stat().st_mode
    manifest = runs.read_manifest(out, "fit")
    assert manifest["args"]["epochs"] == 2
    assert manifest["args"]["valid"] == "v.csv"
    assert manifest["rows"] == 3
    assert manifest["notes"] == ["2 rows were dropped."]
    assert manifest["wrote"] == ["steep.json", "weights"]
    assert manifest["seconds"] >= 0


@pytest.mark.parametrize("error", [SteepError, ZeroDivisionError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), outputs.writing(tmp_path / "a" / "b", "fit", FitArgs()) as run:
        (run.folder / "weights").write_text("x")
        raise error
    assert left(tmp_path) == []


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    finished(tmp_path / "model")
    assert left(tmp_path / "model") == ["steep.json"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    """The run is written where it leads, and so are its leavings."""
    (tmp_path / "disk").mkdir()
    for name in ("model", "new"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "disk" / "model").mkdir()
    for name in ("model", "new"):
        finished(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert left(tmp_path / "disk" / name) == ["steep.json"]
    assert left(tmp_path) == ["disk", "model", "new"]
    assert left(tmp_path / "disk") == ["model", "new"]


def test_overwrite_replaces_the_whole_folder_at_the_end(tmp_path: Path) -> None:
    out = finished(tmp_path / "model", old="x", deep__old="x")
    with outputs.writing(out, "fit", FitArgs(), overwrite=True) as run:
        (run.folder / "new").write_text("x")
        assert left(out) == ["deep", "old", "steep.json"]
    assert left(tmp_path) == ["model"]
    assert left(out) == ["new", "steep.json"]


def test_overwrite_that_fails_keeps_the_old_folder(tmp_path: Path) -> None:
    out = finished(tmp_path / "model", old="x")
    with (
        pytest.raises(ZeroDivisionError),
        outputs.writing(out, "fit", FitArgs(), overwrite=True),
    ):
        raise ZeroDivisionError
    assert left(tmp_path) == ["model"]
    assert left(out) == ["old", "steep.json"]


def add_git(out: Path) -> None:
    (out / ".git").mkdir()
    (out / ".git" / "HEAD").write_text("mine")


FOREIGN: dict[str, Check] = {
    ".git/HEAD": add_git,
    "thesis.md": lambda out: (out / "thesis.md").write_text("mine"),
    "deep/notes": lambda out: (out / "deep" / "notes").write_text("mine"),
    "empty/": lambda out: (out / "empty").mkdir(),
    "link": lambda out: (out / "link").symlink_to(out.parent),
    "pipe": lambda out: os.mkfifo(out / "pipe"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_overwrite_refuses_what_steep_did_not_write(tmp_path: Path, name: str) -> None:
    out = finished(tmp_path / "model", old="x", deep__old="x")
    FOREIGN[name](out)
    with (
        pytest.raises(SteepError, match=rf"holds what Steep did not write \({name}\)"),
        outputs.writing(out, "fit", FitArgs(), overwrite=True),
    ):
        pytest.fail("the run must not start")
    assert places.foreign_in(out) == [name]
    assert (out / "deep" / "old").is_file()
    places.remove_own(out)
    assert places.files_in(out) == ([] if name == "empty/" else [name])
    assert (out / name).exists()


def test_a_folder_of_the_version_before_is_known_by_its_names(tmp_path: Path) -> None:
    runs.write_json(tmp_path / "steep.json", {"stage": "fit", "args": {}})
    runs.write_csv(tmp_path / "predictions" / "test.csv", [{"x": 1}])
    for name in ("config.json", "model-00001-of-00002.safetensors", "vocab.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "README.md").write_text("---\n\nWritten by steep (steep fit · model)\n")
    assert places.foreign_in(tmp_path) == []
    (tmp_path / "README.md").write_text("A card that its user wrote.")
    (tmp_path / "predictions" / "mine.csv").write_text("x")
    assert places.foreign_in(tmp_path) == ["README.md", "predictions/mine.csv"]


def test_a_study_is_known_by_its_names_and_its_runs(tmp_path: Path) -> None:
    study = tmp_path / "study"
    outputs.make(study)
    for name in ("study.json", "verdict.json"):
        runs.write_json(study / name, {})
    runs.write_csv(study / "cells" / "base-40-seed1.csv", [{"x": 1}])
    finished(study / "adapted", weights="x")
    (study / "in-domain.unfinished").mkdir()
    (study / "in-domain.unfinished" / runs.SAVE).write_text("of a run that was killed")
    (study / ".in-domain.steep-partial").mkdir()
    (study / ".in-domain.steep-partial" / "x").write_text("of a run that was killed")
    (study / "cells" / ".1a2b.steep-partial").write_text("half a cell")
    assert places.foreign_in(study) == []
    with outputs.claimed(study, "study"):
        assert left(study / "cells") == ["base-40-seed1.csv"]
    assert places.foreign_in(study) == []
    (study / "cells" / "notes.csv").write_text("mine")
    (study / "adapted" / "notes.csv").write_text("mine")
    with pytest.raises(SteepError, match=r"did not write \(adapted/notes.csv, cells/notes.csv\)"):
        outputs.make(study, overwrite=True)
    for folder in ("cells", "adapted"):
        (study / folder / "notes.csv").unlink()
    outputs.make(study, overwrite=True)
    assert left(study) == []


def test_files_that_are_added_are_listed_and_all_or_none_appear(tmp_path: Path) -> None:
    out = finished(tmp_path / "model")
    with outputs.adding(out) as aside:
        (aside / "model.onnx").write_text("x")
    assert runs.read_manifest(out, "fit")["wrote"] == ["model.onnx", "steep.json"]
    assert places.foreign_in(out) == []
    with pytest.raises(ZeroDivisionError), outputs.adding(out) as aside:
        (aside / "export.json").write_text("x")
        raise ZeroDivisionError
    assert left(out) == ["model.onnx", "steep.json"]


REFUSED: dict[str, tuple[Check, str]] = {
    "a": (lambda out: out.write_text("mine"), "is a file; --out must name a folder"),
    "b": (os.mkfifo, "is a device or a pipe; --out must name a folder"),
    "c": (lambda out: out.symlink_to(out), "a link that leads to itself"),
    "d/model": (lambda out: out.parent.write_text("mine"), "d is a file, so .* cannot be written"),
    "e" * 201: (lambda _: None, "a name of 201 bytes is too long"),
    "e" * 300: (lambda _: None, "a name of 300 bytes is too long"),
    "caf\udce9": (lambda _: None, r"caf\\xe9: this name is not UTF-8"),
    "caf\udce9/model": (lambda _: None, r"caf\\xe9/model: this name is not UTF-8"),
    "a\0b": (lambda _: None, "cannot hold the character NUL"),
    ".": (os.chdir, "the current folder is no --out"),
    "..": (lambda out: os.chdir(out.parent), "the current folder is no --out"),
    "/": (lambda _: None, "is the root of the file system"),
    "/dev/null": (lambda _: None, "is a device or a pipe"),
    "/dev/null/model": (lambda _: None, "/dev/null is a file, so"),
    "/proc/model": (lambda _: None, r"cannot be written there: No such.*directory\. Choose"),
    "/proc": (lambda _: None, "is the top of a disk"),
}


@pytest.mark.parametrize("name", REFUSED, ids=[name[:9] for name in map(ascii, REFUSED)])
def test_where_no_folder_may_be_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare, words = REFUSED[name]
    prepare(tmp_path / name)
    before = left(tmp_path)
    with pytest.raises(SteepError, match=words), outputs.writing(tmp_path / name, "fit", FitArgs()):
        pytest.fail("the run must not start")
    assert left(tmp_path) == before


def test_a_folder_or_a_file_in_use_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = [tmp_path / "model" / "thesis.txt", tmp_path / "x.csv"]
    for file in files:
        file.write_text("mine")
    for path, kind in ((tmp_path / "model", "folder"), (tmp_path / "x.csv", "CSV")):
        with pytest.raises(SteepError, match="in use. Choose another --out, or add --overwrite"):
            find_place(path, kind)
    with pytest.raises(SteepError, match="was not written by Steep, so --overwrite does not"):
        find_place(tmp_path / "model", "folder", overwrite=True)
    for path in (tmp_path / "model", Path("/dev/full"), Path("/dev/stdout")):
        with pytest.raises(SteepError, match="must name a CSV file|in use"):
            find_place(path, "CSV", overwrite=path != Path("/dev/stdout"))
    with outputs.writing_file(tmp_path / "x.csv", "CSV", overwrite=True) as file:
        file.write_text("new")
    assert [file.read_text() for file in files] == ["mine", "new"]


def test_no_output_is_an_input(tmp_path: Path) -> None:
    table, model = tmp_path / "t.csv", finished(tmp_path / "model", weights="x")
    table.write_text("text,label\n")
    (tmp_path / "soft").symlink_to(table)
    (tmp_path / "hard").hardlink_to(table)
    (tmp_path / "again").symlink_to(model)
    args = make(FitArgs, model=str(model), valid=table, recipe=str(tmp_path / "own.toml"))
    assert inputs_of(args, [str(table)]) == [table, table, model, tmp_path / "own.toml"]
    for name, kind in {"t.csv": "CSV", "soft": "CSV", "hard": "JSON", "again": "folder"}.items():
        with pytest.raises(SteepError, match="is an input of this command"):
            find_place(tmp_path / name, kind, True, inputs_of(args))  # type: ignore[arg-type]
    with pytest.raises(SteepError, match="model holds .*weights: an input of this command"):
        find_place(model, "folder", True, [model / "weights"])
    with pytest.raises(SteepError, match="model holds .*weights: an input of this command"):
        find_place(model / "weights", "JSON", True, [model])
    with pytest.raises(SteepError, match="is an input of this command"):
        check_config(table, tmp_path / "hard")
    find_place(model / "new.csv", "CSV", False, inputs_of(args, tmp_path / ("a" * 300)))


def test_inputs_are_what_options_name() -> None:
    given = {"unlabelled": ("a.txt", "b.txt"), "arms": "base,own.toml", "base": "c"}
    names = [str(path) for path in inputs_of(make(CompareArgs, **given), ["d.csv", object()])]
    assert sorted(names) == ["a.txt", "b.txt", "c", "d.csv", "own.toml"]
    assert inputs_of(make(CheckArgs, text="d", label="e")) == []


APPEARED: dict[str, Check] = {
    "folder": lambda out: (out.mkdir(), (out / "x").write_text("mine")),
    "run": lambda out: finished(out.with_name("other"), x="mine").rename(out),
    "file": lambda out: out.write_text("mine"),
    "link": lambda out: out.symlink_to(out.with_name("elsewhere")),
}


@pytest.mark.parametrize("kind", APPEARED)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_appears_meanwhile_stays_and_so_does_the_result(
    tmp_path: Path, kind: str, overwrite: bool
) -> None:
    (tmp_path / "elsewhere").mkdir()
    out, done = tmp_path / "model", []
    with (
        pytest.raises(SteepError, match=r"The result of this run is in .*model\.finished\."),
        outputs.writing(out, "fit", FitArgs(), overwrite) as run,
    ):
        run.afterwards.append(lambda: done.append(1))
        APPEARED[kind](out)
        mine = (out.is_symlink(), out.is_file(), out.stat().st_ino)
    assert (out.is_symlink(), out.is_file(), out.stat().st_ino) == mine
    assert left(tmp_path) == ["elsewhere", "model", "model.finished"]
    assert left(tmp_path / "model.finished") == ["steep.json"]
    assert done == [1]


def test_a_file_that_appears_meanwhile_stays_too(tmp_path: Path) -> None:
    for number in (1, 2):
        with (
            pytest.raises(SteepError, match=r"The result of this run is in .*x\.finished"),
            outputs.writing_file(tmp_path / "x.csv", "CSV") as file,
        ):
            file.write_text("new")
            (tmp_path / "x.csv").write_text("mine")
        (tmp_path / "x.csv").unlink()
        assert len(left(tmp_path)) == number
    assert left(tmp_path) == ["x.finished-2.csv", "x.finished.csv"]


@pytest.mark.parametrize("kind", ["folder", "study", "CSV"])
def test_one_run_writes_at_a_time(tmp_path: Path, kind: str) -> None:
    """Also within one process, where the number of the process tells nothing."""
    out = tmp_path / "x"
    with outputs.claimed(out, kind):  # type: ignore[arg-type]
        with (
            pytest.raises(SteepError, match="another run is writing .*x. Wait until it ends"),
            outputs.claimed(out, kind),  # type: ignore[arg-type]
        ):
            pytest.fail("the second run must not start")
        assert left(tmp_path) == [".x.steep-lock"]
    assert left(tmp_path) == []


def test_a_killed_run_frees_its_place_and_its_leavings_go(tmp_path: Path) -> None:
    out = finished(tmp_path / "model", x="finished before")
    command = [sys.executable, "-c", HOLD, str(tmp_path / "new"), "folder"]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        with pytest.raises(SteepError, match="another run is writing"):
            finished(tmp_path / "new")
        killed.kill()
    (tmp_path / ".new.steep-partial").mkdir()
    (tmp_path / ".new.steep-partial" / "x").write_text("half")
    out.rename(tmp_path / ".new.steep-old")  # killed between two renames: what was there comes back
    with pytest.raises(SteepError, match="in use"):
        finished(tmp_path / "new")
    assert left(tmp_path) == ["new"]
    assert left(tmp_path / "new") == ["steep.json", "x"]


def test_a_full_disk_is_explained_and_nothing_is_left(tiny_disk: Path) -> None:
    with (
        pytest.raises(SteepError, match="written: the disk is full. Make room") as refused,
        outputs.writing(tiny_disk / "model", "fit", FitArgs()) as run,
    ):
        (run.folder / "weights").write_bytes(bytes(200_000))
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.ENOSPC
    out = finished(tiny_disk / "model")
    with pytest.raises(SteepError, match="the disk is full"), outputs.adding(out) as aside:
        (aside / "model.onnx").write_bytes(bytes(200_000))
    with (
        pytest.raises(SteepError, match="the disk is full"),
        outputs.writing_file(tiny_disk / "x.csv", "CSV") as file,
    ):
        runs.write_csv(file, [{"x": "x" * 200_000}])
    assert (left(tiny_disk), left(out)) == (["model"], ["steep.json"])


@pytest.mark.parametrize("library", ["safetensors", "tokenizers"])
def test_a_disk_full_of_what_rust_writes_is_explained(tiny_disk: Path, library: str) -> None:
    def save(folder: Path) -> None:
        if library == "safetensors":
            save_file({"weights": np.zeros(50_000)}, folder / "model.safetensors")
        else:
            from tokenizers import Tokenizer, models

            words = {f"word{number}": number for number in range(20_000)}
            Tokenizer(models.WordLevel(words, "word0")).save(str(folder / "tokenizer.json"))

    with (
        pytest.raises(SteepError, match="the disk is full"),
        outputs.writing(tiny_disk / "model", "fit", FitArgs()) as run,
    ):
        save(run.folder)
    assert left(tiny_disk) == []


def test_space_is_checked_before_the_work(tiny_disk: Path) -> None:
    outputs.check_space(tiny_disk / "deep" / "model", 10_000)
    with pytest.raises(SteepError, match="200.0 MB are needed, but only 0.1 MB are free"):
        outputs.check_space(tiny_disk / "deep" / "model", 200_000_000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_explained(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(SteepError, match="cannot be written: .*Choose another --out"),
        outputs.writing(tmp_path / "model", "fit", FitArgs()),
    ):
        pytest.fail("the run must not start")


@pytest.mark.parametrize(("size", "refused"), [("1", False), ("2", True), ("x", False)])
def test_a_launcher_of_several_processes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str, refused: bool
) -> None:
    monkeypatch.setenv("WORLD_SIZE", size)
    try:
        finished(tmp_path / "model")
    except SteepError as error:
        assert "but WORLD_SIZE is 2: start it without a launcher" in str(error)
    assert (tmp_path / "model").exists() is not refused
