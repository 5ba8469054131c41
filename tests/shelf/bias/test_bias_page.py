"""Can a reader who never heard of BPSN say who is worst off, and by how much?"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steep import commands, outputs, runs
from steep.errors import SteepError
from steep.metrics.weighted import Draws
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.bias import group_lines
from steep.shelf.bias.findings import Scored, findings
from steep.shelf.bias.measures import Sample
from steep.shelf.bias.told import change, headline
from tests.reports.test_browser import BROWSER, seen

PHONE = 390


def found_in(push: float, arms: int, rows: int = 3000) -> dict[str, Any]:
    """Findings on made-up scores: comments of the first group are pushed up, less so in arm 2."""
    draw = np.random.default_rng(0)
    truth = draw.random(rows) < 0.4
    groups = draw.random((rows, 3)) < (0.15, 0.15, 0.01)
    scores = draw.normal(size=rows) + 1.5 * truth + push * groups[:, 0]
    both = [scores, scores - 0.8 * push * groups[:, 0]][:arms]
    scored = [Scored(f"arm{i}", one[None], one[None] > 0.8) for i, one in enumerate(both)]
    sample = Sample(truth, truth.astype(float), ("big_cats", "dogs", "birds"), groups)
    facts = {"file": "c.csv", "label": "toxic", "rows": rows, "positives": int(truth.sum())}
    facts |= {"clusters": None, "label_threshold": 0.5, "identity_threshold": 0.5, "notes": []}
    return facts | findings(sample, scored, Draws(200)) | {"swaps": None, "hatecheck": None}


def written(found: dict[str, Any], out: Path) -> Path:
    """A run folder of bias with its report."""
    with outputs.writing(out, "bias", BiasArgs()) as run:
        run.record(base="model", data={"files": []}, notes=[])
        runs.write_json(run.folder / runs.RESULTS, {"model": "model"} | found)
        runs.write_csv(run.folder / runs.GROUPS, group_lines(found))
    return commands.report(out)


def test_the_worst_group_is_named_with_how_much(tmp_path: Path) -> None:
    found = found_in(1.0, 1)
    answer, sentence = headline(found, found["arms"][0])
    assert answer == "Comments that mention big cats"
    wrong = 100 * (1 - found["arms"][0]["by_group"]["big_cats"]["bpsn_auc"]["value"])
    assert (
        f"score above harmful ones that do not mention it in {wrong:.1f} of 100 pairs" in sentence
    )
    page = written(found, tmp_path / "run").read_text(encoding="utf-8")
    assert answer in page
    assert "Too few, so left out" in page
    assert "birds" in page
    assert not re.search(r"\b(?:un)?biased\b|\bfair\b", page)


def test_no_difference_has_a_size() -> None:
    """Equal groups: what could not have been missed is said, and nothing is called fair."""
    found = found_in(0.0, 1)
    answer, sentence = headline(found, found["arms"][0])
    assert answer == "No clear difference"
    assert re.search(
        r"No difference found larger than \d+\.\d of 100 pairs, for 2 groups", sentence
    )


def test_what_changed_from_one_arm_to_another(tmp_path: Path) -> None:
    found = found_in(1.0, 2)
    answer, sentence = change(found, found["differences"][0])
    assert answer == "Yes"
    assert "fewer pairs in the wrong order for big cats (false alarms)" in sentence
    page = written(found, tmp_path / "run").read_text(encoding="utf-8")
    assert "Does bias differ between arm0 and arm1?" in page
    few = found_in(0.0, 2, rows=60)
    assert change(few, few["differences"][0])[1].startswith("No group has 20 harmful")
    same = found_in(0.0, 2)
    assert change(same, same["differences"][0])[0] == "Cannot tell"


@pytest.mark.skipif(not BROWSER, reason="no Chromium is installed")
def test_it_fits_a_phone(tmp_path: Path) -> None:
    page = written(found_in(1.0, 2), tmp_path / "run").read_text(encoding="utf-8")
    wide, letters = seen(page, PHONE, tmp_path)
    assert wide <= PHONE
    assert letters > 1000


def test_results_that_were_edited_are_one_clear_message(tmp_path: Path) -> None:
    out = tmp_path / "run"
    written(found_in(1.0, 1), out)
    path = out / runs.RESULTS
    content = json.loads(path.read_text(encoding="utf-8"))
    content["arms"][0]["by_group"]["dogs"]["bpsn_auc"]["value"] = "high"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SteepError, match=r"'arms\[0\].by_group.dogs.bpsn_auc.value' must be"):
        commands.report(out)
