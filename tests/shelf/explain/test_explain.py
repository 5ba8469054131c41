"""Are single predictions explained, from the command to the page, for every kind of task?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steep.args.table import TableArgs
from steep.data.load import read_table
from steep.shelf.explain import explain as stage
from tests.conftest import BAD, GOOD

Steep = Callable[..., Any]
Fitted = Callable[[str], Path]
Refused = Callable[..., str]


@pytest.fixture
def captum() -> None:
    pytest.importorskip("captum", reason="needs the extra 'understand'")


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("captum")
def test_the_telling_word_has_the_largest_attribution(
    steep: Steep, tiny_bert: Path, tiny: str, tables: Path, tmp_path: Path
) -> None:
    model, table, out = tmp_path / "model", tables / "single.csv", tmp_path / "explained"
    training = (
        "--pooling model --label label --epochs 30 --batch-size 8 --learning-rate 1e-3 --model"
    )
    steep("fit", table, tiny, training, tiny_bert, "--out", model)
    # Positive rows: to this model a masked text is negative, and nothing makes it more so.
    ids = ",".join(f"row-{i}" for i in range(1, 40, 2))
    done = steep("explain", model, table, "--ids", ids, "--n-steps 400 --out", out)
    assert done.stdout.strip() == str(out)
    words = pd.read_csv(out / "words.csv", keep_default_na=False)
    assert list(words["id"].unique()) == ids.split(",")
    given = results(out)
    telling = set(GOOD + BAD)
    sizes = words["part"].abs().groupby(words["id"], sort=False)
    strongest = words.loc[sizes.idxmax()]
    by_chance = words["word"].isin(telling).mean()
    assert strongest["word"].isin(telling).mean() > max(0.6, 2.5 * by_chance)
    assert (strongest["part"] > 0).mean() >= 0.9
    for row in given["rows"]:
        parts = [word["part"] for one in row["texts"] for word in one["words"]]
        assert sum(parts) == pytest.approx(row["score"] - row["hidden"] + row["error"], abs=1e-6)
        assert abs(row["error"]) < 0.05 * abs(row["score"] - row["hidden"])
    predictions = tmp_path / "p.csv"
    steep("predict", model, table, "--precision fp32 --out", predictions)
    known = pd.read_csv(predictions).set_index("id")
    for row in given["rows"]:
        assert known.loc[row["id"], "label"] == row["label"]
        assert known.loc[row["id"], f"p_{row['label']}"] == pytest.approx(row["output"], abs=1e-4)


@pytest.mark.usefixtures("captum")
@pytest.mark.parametrize("kind", ["multi", "regression", "pairs"])
def test_every_kind_of_task(
    steep: Steep, fitted: Fitted, tables: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "explained"
    target = "--target threat" if kind == "multi" else ""
    steep("explain", fitted(kind), tables / f"{kind}.csv", target, "--out", out)
    found = results(out)
    assert len(found["rows"]) == stage.DEFAULT_ROWS
    labels = {row["label"] for row in found["rows"]}
    assert labels <= set(found["task"]["labels"])
    if kind == "multi":
        assert labels == {"threat"}
    if kind == "regression":
        assert all(row["score"] == pytest.approx(row["output"], abs=1e-3) for row in found["rows"])
    columns = set(pd.read_csv(out / "words.csv")["column"])
    assert columns == ({"text", "pair"} if kind == "pairs" else {"text"})
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('<blockquote class="marked"') == stage.DEFAULT_ROWS * len(columns)
    assert '<mark class="for"' in page


@pytest.mark.usefixtures("captum")
def test_the_page_without_texts_has_no_word(
    steep: Steep, fitted: Fitted, tables: Path, tmp_path: Path
) -> None:
    out = tmp_path / "explained"
    steep("explain", fitted("single"), tables / "single.csv", "--ids row-3 --out", out)
    word = results(out)["rows"][0]["texts"][0]["words"][0]
    text = results(out)["rows"][0]["texts"][0]["text"][word["begin"] : word["end"]]
    assert f">{text}</mark>" in (out / "report.html").read_text(encoding="utf-8")
    steep("report", out, "--no-texts")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<blockquote" not in page
    assert "Row row-3" in page
    twin = (out / "report.md").read_text(encoding="utf-8")
    assert "steep explain" in twin
    assert "seed" not in twin


@pytest.mark.usefixtures("captum")
def test_a_note_where_there_are_too_few_steps(
    steep: Steep, fitted: Fitted, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "TOLERANCE", 0.0)
    out = tmp_path / "explained"
    done = steep("explain", fitted("single"), tables / "single.csv", "--ids row-3 --out", out)
    assert "rows row-3: the attributions miss the change of the score" in done.stderr


def test_ids_that_hold_commas_are_named_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,text\n"b, 1",one\nb,two\n"c,d",three\n')
    corpus = read_table(tmp_path / "t.csv", TableArgs())
    for ids, rows in (("b, 1,c,d", [0, 2]), ("b,c,d,", [1, 2]), ("b", [1])):
        assert list(stage.rows_with_ids(corpus, ids).rows()) == rows


@pytest.mark.usefixtures("captum")
def test_what_cannot_be_explained(
    refused: Refused, fitted: Fitted, tables: Path, tmp_path: Path
) -> None:
    model, table, out = fitted("single"), tables / "single.csv", tmp_path / "explained"
    assert "no row has the id 'row-999'" in refused(
        "explain", model, table, "--ids row-1,row-999 --out", out
    )
    assert "option 'ids' must not be empty" in refused(
        "explain", model, table, "--ids ''", "--out", out
    )
    for nothing in ("--ids ,", "--ids ' , '"):
        assert "no id is named" in refused("explain", model, table, nothing, "--out", out)
    message = refused("explain", model, table, "--target good --out", out)
    assert "there is no label 'good'; choose from negative, positive" in message
    sliding = tmp_path / "sliding"
    shutil.copytree(model, sliding)
    manifest = json.loads((sliding / "steep.json").read_text())
    manifest["args"]["truncation"] = "sliding-mean"
    (sliding / "steep.json").write_text(json.dumps(manifest))
    assert "reads long texts in windows cannot be explained" in refused(
        "explain", sliding, table, "--out", out
    )


def test_without_captum_it_says_how_to_get_it(
    refused: Refused,
    fitted: Fitted,
    tables: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage, "find_spec", lambda _: None)
    message = refused("explain", fitted("single"), tables / "single.csv", "--out", tmp_path / "x")
    assert message.strip() == "captum is not installed: pip install 'steep[understand]'."
