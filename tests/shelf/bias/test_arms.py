"""Do the arms of a study mitigate as they say, with bias beside the verdict?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import GOOD
from tests.shelf.bias.conftest import table_of

Steep = Callable[..., Any]
Refused = Callable[..., str]


def test_arms_of_a_study_and_bias_beside_its_verdict(
    steep: Steep,
    comments: Path,
    terms: Path,
    tiny_bert: Path,
    tiny: str,
    short_step2: Path,
    tmp_path: Path,
) -> None:
    out, pile = tmp_path / "study", tmp_path / "pile.txt"
    pile.write_text("\n".join(f"a {word} woman" for word in GOOD * 3), encoding="utf-8")
    arms = "--arms base,adapted,weighted,balanced,swapped,identity-outputs --seeds 2 --epochs 2"
    rows = "--label toxic --soft --test-share 0.6 --keep-going --unit line --minutes 0.02 --terms"
    steep(
        *("compare", comments, rows, terms, "--balance", pile, arms, "--model", tiny_bert, tiny),
        *("--config", short_step2, "--out", out),
    )
    found = json.loads((out / "bias.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in found["arms"]][:3] == ["base", "adapted", "weighted"]
    assert len(found["differences"]) == 5
    assert found["seeds"] == 2
    assert all(change["group"] in ("women", "men") for change in found["differences"][0]["changes"])
    steep("report", out)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Unintended bias" in page
    assert pd.read_csv(comments)["text"][0] not in (out / "bias.json").read_text(encoding="utf-8")
    (out / "bias.json").unlink()
    done = steep("bias", out, comments, "--label toxic --terms", terms)
    assert "adapted against base" in done.stdout
    assert json.loads((out / "bias.json").read_text(encoding="utf-8")) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--label toxic", "the arm weighted needs --identities or --terms"),
        ("--label toxic,men --identities women", "name the harmful one: --positive"),
        ("--label toxic --identities women --test {bare}", "column 'women' is not there"),
    ],
)
def test_what_a_study_of_bias_needs_is_said_at_once(
    refused: Refused,
    comments: Path,
    tiny_bert: Path,
    tiny: str,
    tmp_path: Path,
    words: str,
    said: str,
) -> None:
    bare = tmp_path / "bare.csv"
    table_of(40)[["id", "text", "toxic"]].to_csv(bare, index=False)
    given = (words.format(bare=bare), "--soft --arms base,adapted,weighted --model", tiny_bert)
    assert said in refused("compare", comments, *given, tiny, "--out", tmp_path / "study")
