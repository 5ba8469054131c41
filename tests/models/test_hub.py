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


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="no such folder"):
        find(tmp_path / "missing" / "checkpoint")
