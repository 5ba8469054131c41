"""Does steep cache list what is kept, and remove what is asked for, and nothing that is in use?"""

import os
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest

import steep
from steep.data import cache_files, cache_locks
from steep.data.cache_files import cache_folder
from steep.errors import SteepError
from steep.stages.cache import parse_size

DAY = 24 * 60 * 60


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


def fill(name: str, size: int, days: float) -> Path:
    """An entry of so many bytes, used last so many days ago; its first file."""
    seal = cache_folder() / f"{name}.json"
    data = seal.with_suffix(".arrow")
    cache_files.kept(seal, [data], lambda aside: {"size": aside[0].write_bytes(b"x" * size)})
    os.close(cache_locks._held.pop(seal))  # as if the process that made it had ended
    for path in (data, seal):
        os.utime(path, (time.time() - days * DAY,) * 2)
    return data


@pytest.fixture
def filled() -> list[Path]:
    """A new, an older and a very old entry, of 10, 20 and 30 thousand bytes."""
    sizes = {"read/new": (10_000, 0), "tokens/older/seal": (20_000, 5), "rows/old": (30_000, 50)}
    return [fill(name, *how) for name, how in sizes.items()]


def test_entries_are_listed_with_size_and_last_use(
    filled: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = steep.cache()
    assert [entry["kind"] for entry in found["entries"]] == ["read", "tokens", "rows"]
    assert [entry["name"] for entry in found["entries"]] == ["new", "older", "old"]
    assert found["bytes"] == sum(entry["bytes"] for entry in found["entries"]) > 60_000
    assert not any(entry["in_use"] for entry in found["entries"])
    shown = capsys.readouterr().out
    assert "3 entries, 0.1 MB" in shown
    assert found["entries"][2]["used"] in shown
    assert all(path.is_file() for path in filled)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, 0),
        ({"older_than": 10}, 2),
        ({"older_than": 1}, 1),
        ({"keep": "35KB"}, 2),
        ({"keep": "1TB"}, 3),
        ({"keep": "1TB", "older_than": 10}, 2),
        ({"keep": "12KB", "older_than": 10}, 1),
    ],
)
def test_what_is_asked_for_is_removed(filled: list[Path], options: dict, left: int) -> None:
    before = steep.cache()
    removed = steep.cache(prune=True, **options)["removed"]
    assert [path.is_file() for path in filled] == [i < left for i in range(3)]
    assert removed["entries"] == 3 - left
    assert removed["bytes"] == before["bytes"] - steep.cache()["bytes"]
    assert not list((cache_folder() / "tokens").glob("*")) or left >= 2


def test_what_a_process_uses_stays(
    filled: list[Path], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import sys, datasets; from pathlib import Path; from steep.data.cache_files import kept; "
        f"datasets.config.HF_DATASETS_CACHE = {str(cache)!r}; path = Path({str(filled[2])!r}); "
        "kept(path.with_suffix('.json'), [path], None); print('ready', flush=True); "
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert [entry["in_use"] for entry in steep.cache()["entries"]] == [True, False, False]
        removed = steep.cache(prune=True)["removed"]
        assert (removed["entries"], removed["in_use"]) == (2, 1)
        assert "removed 2 of 3 entries, 0.0 MB; 1 in use stay" in capsys.readouterr().out
        assert filled[2].is_file()
        process.communicate()
    assert steep.cache(prune=True)["removed"]["entries"] == 1
    assert not filled[2].is_file()


def test_what_is_read_again_was_used_now(filled: list[Path]) -> None:
    path = filled[2]
    cache_files.kept(path.with_suffix(".json"), [path], lambda _: pytest.fail("made again"))
    assert [entry["name"] for entry in steep.cache()["entries"]][:1] == ["old"]


def test_an_empty_cache_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert steep.cache()["entries"] == []
    assert steep.cache(prune=True)["removed"] == {"entries": 0, "bytes": 0, "in_use": 0}


def test_mistakes_are_refused() -> None:
    with pytest.raises(SteepError, match="add --prune"):
        steep.cache(older_than=3)
    for wrong in ("5", "GB", "-1GB", "5 apples"):
        with pytest.raises(SteepError, match="write a size such as 5GB"):
            steep.cache(prune=True, keep=wrong)
    assert parse_size("1.5 gb") == 1_500_000_000
