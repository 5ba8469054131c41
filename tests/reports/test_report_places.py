"""Does a report replace reports only, and is what it writes in a run folder listed there?"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from steep import places, runs
from steep.errors import SteepError
from steep.reports.page import write_report


@pytest.fixture
def model(make: SimpleNamespace, tmp_path: Path) -> Path:
    """A finished fit with a list of its files."""
    folder = make.fit(tmp_path / "model")
    manifest = runs.read_json(folder / runs.MANIFEST)
    listed = {runs.WROTE: places.files_in(folder)}
    runs.write_json(folder / runs.MANIFEST, manifest | listed)
    (folder / runs.CARD).write_text("A model card.\n\nWritten by steep (steep fit · model)\n")
    return folder


def test_a_report_in_the_folder_is_listed_and_replaced(model: Path) -> None:
    first = write_report(model).read_bytes()
    assert {"report.html", "report.md"} <= {*runs.read_manifest(model, "fit")["wrote"]}
    assert write_report(model, model / "report.html").read_bytes() == first
    assert write_report(model, model / "page.html").name == "page.html"
    assert places.foreign_in(model) == [runs.CARD]


def test_a_report_elsewhere_is_replaced_only_with_overwrite(model: Path, tmp_path: Path) -> None:
    target = write_report(model, tmp_path / "deep" / "x.html")
    with pytest.raises(SteepError, match="x.html is in use. Choose another --out, or add --over"):
        write_report(model, target)
    target.unlink()
    with pytest.raises(SteepError, match="x.md is in use"):
        write_report(model, target)
    assert write_report(model, target, overwrite=True).is_file()
    assert "report.html" not in runs.read_manifest(model, "fit")["wrote"]


@pytest.mark.parametrize("name", ["thesis.md", "thesis.html", "model/report.md"])
def test_a_page_of_the_user_is_never_replaced(model: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(SteepError, match=f"{name} is (in use|no report of Steep)"):
            write_report(model, path.with_suffix(".html"), overwrite=overwrite)
    assert path.read_text() == "mine"
    assert not (tmp_path / "thesis.html").exists() or name == "thesis.html"


def test_the_model_card_is_no_twin(model: Path) -> None:
    before = (model / runs.CARD).read_text(encoding="utf-8")
    with pytest.raises(SteepError, match=r"README\.md is no report of Steep"):
        write_report(model, model / "README.html", overwrite=True)
    assert (model / runs.CARD).read_text(encoding="utf-8") == before
