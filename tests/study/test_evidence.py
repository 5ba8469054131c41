"""Is evidence read from files and studies as they are, and refused where it is none?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steep.errors import SteepError
from steep.study.evidence import FIELDS, OWN, Finding, known

AG_NEWS = Path(__file__).parents[2] / "docs" / "results" / "ag-news"
HEAD = ",".join(FIELDS)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The study of AG News as it was kept, with the record of its step 2."""
    folder = tmp_path / "ag-news"
    (folder / "adapted").mkdir(parents=True)
    for name in ("study.json", "verdict.json"):
        shutil.copyfile(AG_NEWS / name, folder / name)
    shutil.copyfile(AG_NEWS / "step2-results.json", folder / "adapted" / "results.json")
    made = {"stage": "adapt", "format": 2, "args": {}, "base": "MODEL", "seconds": 510.5}
    (folder / "adapted" / "steep.json").write_text(json.dumps(made))
    return folder


def altered(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_study_says_what_the_packaged_file_says_of_it(study: Path) -> None:
    (own,) = (finding for finding in known() if finding.name == "AG News")
    found = known([study])[-1]
    assert (found.labels, found.own_head) == (own.labels, own.own_head) == (500, False)
    rounded = [round(value, 1) for value in (found.gain, found.low, found.high)]
    assert rounded == [own.gain, own.low, own.high]


def test_a_file_adds_to_the_packaged_one(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f'{HEAD}\n"mine, first",200,yes,1.5,-0.5,3.5\n\n')
    assert known([path]) == (*known(), Finding("mine, first", 200, True, 1.5, -0.5, 3.5))
    assert known([OWN]) == known() + known()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "line 1: expected the columns name,labels"),
        ("name,gain\n", "line 1: expected the columns"),
        (f"{HEAD}\na,100,no,1,0\n", "line 2: 5 values"),
        (f"{HEAD}\na,100,maybe,1,0,2\n", "line 2: own_head is 'maybe'; write yes or no"),
        (f"{HEAD}\na,few,no,1,0,2\n", "line 2: labels is 'few'"),
        (f"{HEAD}\na,100,no,1,2,0\n", "low below high"),
        (f"{HEAD}\na,100,no,much,0,2\n", "line 2: gain, low and high are 'much'"),
        (f"{HEAD}\na,100,no,1,1,1\n", "low below high"),
        (f"{HEAD}\na,100,no,1,-inf,inf\n", "low below high"),
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(content)
    with pytest.raises(SteepError) as refused:
        known([path])
    assert str(path) in str(refused.value) and told in str(refused.value)


def test_studies_that_cannot_be_counted_are_named(study: Path, tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="no such file"):
        known([tmp_path / "nothing.csv"])
    altered(study / "verdict.json", lambda v: v["budgets"][0]["comparisons"][0].update(low=None))
    with pytest.raises(SteepError, match="no gain with an interval"):
        known([study])
    altered(study / "verdict.json", lambda v: v.update(higher_is_better=False, metric="rmse"))
    with pytest.raises(SteepError, match="one of rmse, which is not counted in points"):
        known([study])
    (study / "verdict.json").unlink()
    with pytest.raises(SteepError, match="not a finished study"):
        known([study])
