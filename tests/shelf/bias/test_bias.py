"""Does `steep bias` tell who pays for a model's mistakes, from a table to its report and card?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from steep.shelf.bias.findings import NINE
from tests.shelf.bias.conftest import NEUTRAL, table_of

Steep = Callable[..., Any]
Refused = Callable[..., str]
COLUMNS = "--label toxic --identities women,men,cats"


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_columns_to_report(steep: Steep, judge: Path, comments: Path, tmp_path: Path) -> None:
    """The metrics are those of scikit-learn on the predictions; a share of 0.5 counts."""
    out, p = tmp_path / "found", tmp_path / "p.csv"
    done = steep("bias", judge, comments, COLUMNS, "--out", out)
    assert "women (100 rows" in done.stdout
    assert "cats" in done.stdout.split("Too few")[1]
    steep("predict", judge, comments, "--out", p)
    table, scores = pd.read_csv(comments), pd.read_csv(p)["p_toxic"]
    found, truth = results(out), table["toxic"] >= 0.5
    (arm,) = found["arms"]
    for name in ("women", "men"):
        inside = table[name] >= 0.5
        for metric, rows in (
            ("subgroup_auc", inside),
            ("bpsn_auc", inside ^ truth),
            ("bnsp_auc", inside == truth),
        ):
            entry = arm["by_group"][name][metric]
            assert entry["value"] == pytest.approx(
                roc_auc_score(truth[rows], scores[rows]), abs=1e-3
            )
            assert entry["low"] is None or entry["low"] <= entry["value"] <= entry["high"]
    assert [group["status"] for group in found["groups"]] == ["scarce", "scarce", "few"]
    assert arm["by_group"].keys() == {"women", "men"}
    assert "male" in found["score_refused"]
    lines = pd.read_csv(out / "groups.csv")
    assert list(lines["name"]) == ["women", "men", "cats"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "comments that mention" in page
    text = table["text"][0]
    assert text not in page


def test_words_swaps_and_two_models(
    steep: Steep, judge: Path, comments: Path, terms: Path, tmp_path: Path
) -> None:
    """Two equal models differ by nothing; swapped terms change scores, harmless apart."""
    twin, out = tmp_path / "twin", tmp_path / "found"
    shutil.copytree(judge, twin)
    done = steep("bias", judge, twin, comments, "--label toxic --terms", terms, "--swap --out", out)
    found = results(out)
    (difference,) = found["differences"]
    assert (difference["arm"], difference["against"]) == ("twin", "judge")
    assert all(change["value"] == 0 for change in difference["changes"])
    assert "twin against judge: no difference found" in done.stdout
    swap = found["swaps"]["judge"]
    table = pd.read_csv(comments)
    mention = table["text"].str.contains(r"\b(?:woman|mother|man|father)\b")
    skipped = mention & table["text"].str.contains(r"\bhouse\b")
    assert (swap["rows"], swap["skipped"]) == (mention.sum() - skipped.sum(), skipped.sum())
    assert {way["to"] for way in swap["ways"]} == {"women", "men"}
    assert swap["by_label"]["harmless"]["gap"]["value"] > 0
    assert "When another group is mentioned" in (out / "report.html").read_text(encoding="utf-8")
    assert "How to reproduce" in (out / "report.html").read_text(encoding="utf-8")


def test_rows_of_a_thread_count_together(
    steep: Steep, judge: Path, comments: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found"
    done = steep("bias", judge, comments, COLUMNS, "--group thread --out", out)
    assert "75 groups of rows" in done.stdout
    assert results(out)["clusters"] == 75


@pytest.mark.parametrize(
    ("kind", "words"),
    [("single", "--positive negative"), ("multi", "--label toxic")],
)
def test_classes_by_name_and_one_of_several_labels(
    steep: Steep, fitted: Callable[[str], Path], tables: Path, tmp_path: Path, kind: str, words: str
) -> None:
    terms, p = tmp_path / "terms.toml", tmp_path / "p.csv"
    often = [word for word in NEUTRAL if len(word) > 2][:60]
    terms.write_text(f"[groups]\na = {json.dumps(often)}", encoding="utf-8")
    table, out = tables / f"{kind}.csv", tmp_path / "found"
    steep("bias", fitted(kind), table, words, "--terms", terms, "--out", out)
    steep("predict", fitted(kind), table, "--out", p)
    scores = pd.read_csv(p)["toxic" if kind == "multi" else "p_negative"]
    rows = pd.read_csv(table)
    truth = rows["toxic"] == 1 if kind == "multi" else rows["label"] == "negative"
    found = results(out)["arms"][0]["overall"]["subgroup_auc"]["value"]
    assert found == pytest.approx(roc_auc_score(truth, scores), abs=1e-3)


def test_into_the_card(steep: Steep, judge: Path, comments: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(judge, model)
    assert "not examined" in (model / "README.md").read_text(encoding="utf-8")
    steep("bias", model, comments, COLUMNS, "--card")
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "## Unintended bias" in card
    assert "not examined" not in card
    assert "| women |" in card
    steep("predict", model, comments, "--out", tmp_path / "p.csv")
    steep("report", model)


def test_the_challenge_of_2019_on_its_own_columns(
    steep: Steep, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    """train.csv with shares of raters, test.csv with ids and texts only, submission.csv, score."""
    draw = np.random.default_rng(0)
    table = table_of(400).rename(columns={"text": "comment_text", "toxic": "target"})
    table = table[["id", "target", "comment_text"]]
    for name in NINE:
        table[name] = np.where(draw.random(400) < 0.35, 0.5, 0.1)
    table.loc[table.index[:40], list(NINE)] = np.nan
    train, test, p = tmp_path / "train.csv", tmp_path / "test.csv", tmp_path / "submission.csv"
    table.to_csv(train, index=False)
    table[["id", "comment_text"]].to_csv(test, index=False)
    columns = f"--text comment_text --label target --soft --identities {','.join(NINE)}"
    training = "--epochs 2 --batch-size 16 --learning-rate 3e-3 --bias-weights kernel --model"
    model = tmp_path / "model"
    steep("fit", train, columns, training, tiny_bert, tiny, "--out", model)
    weights = json.loads((model / "steep.json").read_text(encoding="utf-8"))["args"]
    assert weights["bias_weights"] == "kernel"
    steep("predict", model, test, "--out", p)
    submission = pd.read_csv(p)
    assert list(submission["id"]) == list(table["id"])
    assert submission["p_target"].between(0, 1).all()
    out = tmp_path / "found"
    done = steep("bias", model, train, f"--label target --identities {','.join(NINE)} --out", out)
    found = results(out)
    assert found["rows"] == 360
    assert "40 rows without any identity annotated: left out" in done.stderr
    score = found["arms"][0]["score"]
    assert score["low"] < score["value"] < score["high"]
    means = [one["value"] for one in found["arms"][0]["means"].values()]
    overall = found["arms"][0]["overall"]["subgroup_auc"]["value"]
    assert score["value"] == pytest.approx((overall + sum(means)) / 4)
    given = f"--label target --unknown background --identities {','.join(NINE)} --overwrite --out"
    steep("bias", model, train, given, out)
    assert results(out)["rows"] == 400


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({}, "--identities women,people", "column 'people' is not there"),
        ({"women": -0.5}, "--identities women", "expected a share of raters"),
        ({"women": None}, "--identities women", "column 'women': no row has a value"),
        ({"women": 0}, "--identities women", "no row mentions any of women"),
        ({}, "--identities women,toxic", "'toxic' is the label"),
        ({}, "--identities women,women", "'women' is named twice"),
        ({"toxic": 0.1}, "--identities women", "no row reaches 0.5"),
        ({"toxic": "?"}, "--identities women", "expected a share from 0 to 1"),
        ({}, "", "--identities COLUMN,COLUMN"),
        ({}, "--identities women --positive nice", "There is no 'nice'"),
        ({}, "--identities women --swap", "swap: needs words"),
        ({"text": ""}, "--identities women", "no row with a text in column 'text'"),
        ({"toxic": -0.5}, "--identities women", "expected a share from 0 to 1"),
        ({"toxic": None}, "--identities women", "expected a share from 0 to 1"),
        ({"women": None, "men": None}, "--identities women,men", "'women': no row has a value"),
        ({}, "--identities women --group nope", "there is no column 'nope', which --group names"),
        ({}, "--identities ,", "no column is named"),
    ],
)
def test_bad_tables(
    refused: Refused,
    judge: Path,
    tmp_path: Path,
    change: dict[str, Any],
    words: str,
    said: str,
) -> None:
    path = tmp_path / "c.csv"
    table_of(60).assign(**change).to_csv(path, index=False)
    assert said in refused("bias", judge, path, "--label toxic", words)


def test_files_that_are_no_such_tables(refused: Refused, judge: Path, tmp_path: Path) -> None:
    rows, path = table_of(20), tmp_path / "c.jsonl"
    rows.assign(women=[[1, 0]] * 20).to_json(path, orient="records", lines=True)
    told = refused("bias", judge, path, COLUMNS)
    assert "the column 'women' holds lists" in told
    path.write_bytes(bytes(range(256)) * 9)
    assert "c.jsonl" in refused("bias", judge, path, COLUMNS)
    assert "is named twice" in refused("bias", judge, judge, path, COLUMNS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("groups = 3", "[groups] must be a table"),
        ("[groups", "not valid TOML"),
        ('[groups]\na = ["man"]\n[swap]\nx = 3', "[swap.x] must be a table"),
        ('[groups]\na = ["man"]\n[swap.x]', "two groups or more with equally many forms"),
        ('[groups]\na = ["b(s)?"]', "'b(s)?', which is no plain word"),
        ("[groups]\na = []", "'a' must be a list of words"),
        ('[group]\na = ["b"]', "Did you mean 'groups'?"),
        ('[skip]\nwords = ["b"]', "the table [groups] is missing"),
        ('[groups]\ntoxic = ["man"]', "'toxic' is the label"),
        ('[groups]\na = ["man"]\n[swap.x]\na = ["b", "c"]\nb = ["d"]', "equally many forms"),
        ('[groups]\na = ["nobody"]', "no row mentions any of a"),
    ],
)
def test_bad_terms(
    refused: Refused, judge: Path, comments: Path, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "terms.toml"
    path.write_text(text, encoding="utf-8")
    assert said in refused("bias", judge, comments, "--label toxic --terms", path)


def test_a_group_without_positives_is_counted_and_left_out(
    steep: Steep, judge: Path, tmp_path: Path
) -> None:
    path, table = tmp_path / "c.csv", table_of(300)
    table.loc[table["toxic"] >= 0.5, "women"] = 0.0
    table.to_csv(path, index=False)
    done = steep("bias", judge, path, "--label toxic --identities women,men")
    assert "women (0 harmful, 50 harmless)" in done.stdout
    assert "women (50 rows, 0 harmful): too few" in done.stdout
