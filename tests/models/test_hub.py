"""Is a checkpoint found, and is it said what is wrong where there is none?"""

from pathlib import Path

import pytest

from steep.errors import SteepError
from steep.models.hub import find


def test_a_checkpoint_folder_is_itself(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert find(tmp_path) == tmp_path


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match=r"no config\.json"):
        find(tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "The name of a checkpoint is empty"), ("  ", "is empty"), ("a\0b", "no such folder")],
)
def test_a_name_that_can_be_none(name: str, told: str) -> None:
    with pytest.raises(SteepError, match=told):
        find(name)


def test_a_name_that_is_too_long_or_a_file(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="File name too long"):
        find(tmp_path / ("x" * 300))
    (tmp_path / "model.safetensors").write_text("weights")
    with pytest.raises(SteepError, match="is a file. Name the folder"):
        find(tmp_path / "model.safetensors")


def in_cache(monkeypatch: pytest.MonkeyPatch, folder: Path, online: bool) -> list[str]:
    """The hub holds a model of which `folder` is in the cache; gives what is asked for."""
    asked: list[str] = []

    def download(name: str, local_files_only: bool = False, **_: object) -> str:
        if not local_files_only:
            asked.append(name)
            if not online:
                raise ConnectionError
            (folder / "config.json").write_text("{}")
        return str(folder)

    monkeypatch.setattr("steep.models.hub.snapshot_download", download)
    return asked


@pytest.mark.parametrize("held", [(), ("config.json",), ("model.safetensors",)])
def test_half_a_model_in_the_cache_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: tuple[str, ...]
) -> None:
    for name in held:
        (tmp_path / name).write_text("{}")
    asked = in_cache(monkeypatch, tmp_path, online=True)
    assert find("owner/name") == tmp_path
    assert asked == ["owner/name"]


def test_a_hub_that_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_cache(monkeypatch, tmp_path, online=False)
    with pytest.raises(SteepError, match=r"owner/name: not a checkpoint folder .*no config\.json"):
        find("owner/name")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="no such folder"):
        find(tmp_path / "missing" / "checkpoint")
