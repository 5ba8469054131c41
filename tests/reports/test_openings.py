"""Can features that the core does not know add pages and sections to a report?"""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from steep import runs
from steep.args import AdaptArgs
from steep.errors import SteepError
from steep.options import Part, option
from steep.reports.blocks import Facts, Page, Section
from steep.reports.folder import RunFolder, StagePage, StudyFolder
from steep.reports.page import STAGES, write_report
from tests.reports.conftest import manifest


@dataclass(frozen=True, kw_only=True)
class CountArgs(Part):
    """Counting."""

    far: int = option(10, "How far it counts.")


def count_page(run: RunFolder, texts: bool) -> Page:
    section = Section("Numbers", [Facts([("last", run.results["last"])])])
    return Page(
        "How far?", str(run.manifest["args"]["far"]), f"With texts: {texts}.", "", (), [section]
    )


COUNT = {"count": StagePage(CountArgs, count_page, {"last": str})}


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A folder of the stage `count`."""
    folder = tmp_path / "counted"
    folder.mkdir()
    runs.write_json(folder / runs.MANIFEST, manifest("count", CountArgs(far=12), ()))
    runs.write_json(folder / runs.RESULTS, {"last": "twelve", "model": "abacus"})
    return folder


def test_a_stage_brings_its_page_options_and_keys(counted: Path) -> None:
    twin = write_report(counted, texts=False, pages=COUNT).with_suffix(".md").read_text("utf-8")
    assert twin.startswith("# How far? 12\n\nWith texts: False.")
    assert "- last: twelve" in twin
    assert "steep count abacus reviews.csv --far 12 --out counted/" in twin
    runs.write_json(counted / runs.RESULTS, {})
    with pytest.raises(SteepError, match="the key 'last' is missing"):
        write_report(counted, pages=COUNT)
    with pytest.raises(SteepError, match="'steep count', which has no report"):
        write_report(counted)


@dataclass(frozen=True, kw_only=True)
class MoreArgs:
    """steep adapt, with what a feature adds."""

    core: AdaptArgs = AdaptArgs()
    count: CountArgs = CountArgs()


def test_a_feature_adds_options_to_a_stage_of_the_core(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    folder = make.adapt(tmp_path / "adapted")
    known = runs.read_json(folder / runs.MANIFEST)
    runs.write_json(folder / runs.MANIFEST, known | {"args": known["args"] | {"far": 3}})
    pages = {"adapt": replace(STAGES["adapt"], options=MoreArgs)}
    assert "--far 3 --out adapted/" in write_report(folder, pages=pages).read_text("utf-8")
    assert "--far" not in write_report(folder).read_text("utf-8")


def panel(found: RunFolder | StudyFolder, texts: bool) -> Section | None:
    """A section for all but adaptations."""
    if found.manifest["stage"] == "adapt":
        return None
    return Section("Own panel", [Facts([("seeds", str(found.seeds)), ("texts", str(texts))])])


@pytest.mark.parametrize("stage", ["adapt", "fit", "evaluate", "study"])
def test_panels_come_after_the_findings(make: SimpleNamespace, tmp_path: Path, stage: str) -> None:
    makers = {"adapt": make.adapt, "fit": make.fit, "evaluate": make.evaluate, "study": make.study}
    page = write_report(makers[stage](tmp_path / "x"), panels=[panel, panel], texts=False)
    twin = page.with_suffix(".md").read_text("utf-8")
    titles = [line for line in twin.splitlines() if line.startswith("## ")]
    own = [] if stage == "adapt" else ["## Own panel"] * 2
    assert titles[-2 - len(own) :] == [*own, "## Data", "## How to reproduce"]
    assert ("- texts: False" in twin) == (stage != "adapt")
    if stage == "study":
        assert r"- seeds: \[0, 1, 2, 3, 4\]" in twin
