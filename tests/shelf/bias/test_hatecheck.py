"""Are HateCheck's cases read by their columns, and told by functionality, group and pair?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import BAD, GOOD

Steep = Callable[..., Any]
Refused = Callable[..., str]


def cases() -> pd.DataFrame:
    """120 made-up cases of HateCheck's columns; every hateful one has a minimal edit."""
    lines = []
    for number in range(60):
        group = ("women", "immigrants", None)[number % 3]
        word = {"women": "woman", "immigrants": "people", None: "dog"}[group]
        shared = {"target_ident": group, "templ_id": number // 2, "direction": "general"}
        bad, good = BAD[number % len(BAD)], GOOD[number % len(GOOD)]
        lines.append(
            {"functionality": "derog_h", "case_id": 2 * number + 1, "ref_case_id": None}
            | {"test_case": f"this {word} is {bad}", "label_gold": "hateful"}
            | shared
        )
        lines.append(
            {"functionality": "ident_pos_nh", "case_id": 2 * number + 2}
            | {"test_case": f"this {word} is {good}", "label_gold": "non-hateful"}
            | {"ref_case_id": 2 * number + 1}
            | shared
        )
    return pd.DataFrame(lines)


def test_functions_groups_and_pairs(steep: Steep, judge: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "hatecheck.csv", tmp_path / "found"
    cases().to_csv(path)
    done = steep("bias", judge, path, "--hatecheck --out", out)
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    tests = found["hatecheck"]["judge"]
    assert [(one["name"], one["rows"]) for one in tests["functions"]] == [
        ("derog_h", 60),
        ("ident_pos_nh", 60),
    ]
    assert {one["name"] for one in tests["groups"]} == {"women", "immigrants"}
    assert tests["pairs"]["in_order"]["rows"] == 60
    assert tests["pairs"]["in_order"]["value"] > 0.8  # the telling word decides
    assert found["clusters"] == 30
    assert "lowest accuracy by functionality" in done.stdout
    assert "Accuracy by functionality" in (out / "report.html").read_text(encoding="utf-8")
    steep("report", out)
    shown = (out / "report.md").read_text(encoding="utf-8")
    again = next(line for line in shown.splitlines() if line.strip().startswith("steep bias"))
    assert str(path) in again, "the file, as it was given"
    assert "--identities" not in again, "which HateCheck refuses"


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"label_gold": "toxic"}, "", "expected hateful or non-hateful"),
        ({"test_case": ""}, "", "some cases have no text"),
        ({}, "--identities women", "Leave --identities, --terms and --folds out"),
    ],
)
def test_bad_cases(
    refused: Refused, judge: Path, tmp_path: Path, change: dict[str, str], words: str, said: str
) -> None:
    path = tmp_path / "hatecheck.csv"
    cases().assign(**change).to_csv(path, index=False)
    assert said in refused("bias", judge, path, "--hatecheck", words)


def test_another_table_is_no_hatecheck(refused: Refused, judge: Path, comments: Path) -> None:
    assert "the column 'functionality' is not there" in refused(
        "bias", judge, comments, "--hatecheck"
    )
