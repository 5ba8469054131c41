"""Are folders of the version before, with its names of options, still reported?"""

import html
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from steep import runs
from steep.reports.page import write_report

RESULTS = Path(__file__).parents[2] / "docs" / "results"
OLD_ADAPT = {"text": "text", "label": "label", "model": "bert", "max_length": 64, "epochs": None}
OLD_ADAPT |= {"steps": 90, "clip": 0.5, "evaluate_every": 30, "patience": 2, "mask_share": 0.2}
OLD_ADAPT |= {"recompute": False, "track": "none", "save_every": 5.0, "weight": ["a.txt=2"]}
OLD_FIT = {"label": "label", "model": "bert", "encoder": "out/adapted", "epochs": 4, "decay": 0.9}
OLD_FIT |= {"warmup": 0.2, "head_start": 1, "focal_gamma": 2.0, "stride": None, "windows": 4}
OLD_FIT |= {"accumulate": 2, "reinit": 1, "recipe": None, "overwrite": True, "label_budget": 80}


def texts_of(page: Path) -> list[str]:
    """What the page and its twin say."""
    told = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
    return [html.unescape(told), page.with_suffix(".md").read_text(encoding="utf-8")]


def old(folder: Path, args: dict[str, object]) -> Path:
    """The folder with these options, as if it were written by the version before."""
    manifest = runs.read_json(folder / runs.MANIFEST)
    del manifest["format"]
    runs.write_json(folder / runs.MANIFEST, manifest | {"args": args})
    return folder


def test_old_runs_are_repeated_by_new_options(make: SimpleNamespace, tmp_path: Path) -> None:
    again = {
        old(make.adapt(tmp_path / "adapted"), OLD_ADAPT): "steep adapt reviews.csv --text text "
        "--label label --model bert --max-steps 90 --max-grad-norm 0.5 --max-length 64 "
        "--mlm-probability 0.2 --eval-steps 30 --early-stopping-patience 2 --file-weight a.txt=2 "
        "--out adapted/",
        old(make.fit(tmp_path / "model"), OLD_FIT): "steep fit reviews.csv --label label "
        "--model out/adapted --base bert --epochs 4 --layer-decay 0.9 --warmup-ratio 0.2 "
        "--gradient-accumulation-steps 2 --head-epochs 1 --reinit-layers 1 --max-windows 4 "
        "--label-budget 80 --out model/",
    }
    for folder, line in again.items():
        for text in texts_of(write_report(folder)):
            assert line in text


@pytest.mark.parametrize("name", ["ag-news", "imdb-few-labels", "imdb-more-text"])
def test_published_studies_are_reported(name: str, tmp_path: Path) -> None:
    study, adapted = tmp_path / name, tmp_path / name / "adapted"
    adapted.mkdir(parents=True)
    for file in (runs.STUDY, runs.VERDICT):
        shutil.copy(RESULTS / name / file, study / file)
    for file in (runs.RESULTS, runs.HISTORY):
        shutil.copy(RESULTS / name / f"step2-{file}", adapted / file)
    runs.write_json(adapted / runs.MANIFEST, {"stage": "adapt", "args": OLD_ADAPT, "seconds": 9})
    given, loss = runs.read_json(study / runs.STUDY), runs.read_json(adapted / runs.RESULTS)
    for text in texts_of(write_report(study)):
        assert runs.read_json(study / runs.VERDICT)["sentence"] in text
        assert f"{loss['masked_loss']['after']:.3f}" in text
        for labels in given["args"]["label_budget"]:
            assert f"--label-budgets {labels}" in text
        assert ("--model adapted --base MODEL" in text) == bool(given["args"]["encoder"])
        assert ("[adapt]\nepochs = 5.0" in text) == (given["args"]["adapt_epochs"] == 5.0)
        assert not re.search(r"--(adapt-|encoder|decay|clip|windows)", text)


def test_an_old_study_that_is_not_finished(make: SimpleNamespace, tmp_path: Path) -> None:
    study = make.study(tmp_path / "study")
    manifest = runs.read_json(study / runs.STUDY)
    del manifest["format"]
    args = {"label_budget": [40, 80], "seeds": 5, "adapt_epochs": 1.0}
    runs.write_json(study / runs.STUDY, manifest | {"args": args, "budgets": [40, 80]})
    (study / runs.VERDICT).unlink()
    for text in texts_of(write_report(study)):
        assert "15 of 30 fits are done" in text
        assert "steep compare reviews.csv" in text and "--config" not in text
