"""Do the papers' tables run as studies, beside the papers' figures, and refuse what they cannot?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from steep.errors import SteepError
from steep.shelf.ablation.ablation_arms import random_weights
from steep.shelf.ablation.tables import FOLDER, ablation_names, read_ablation

Steep = Callable[..., Any]
Study = Callable[..., Any]
SHORT = "--label label --epochs 5 --seeds 2 --batch-size 16 --label-budgets 40 --keep-going"


@pytest.fixture
def study(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> Callable[..., Any]:
    """A function that runs an ablation of the tiny BERT, by further words, into a folder."""
    config = tmp_path / "study.toml"
    config.write_text("[adapt]\nmax-length = 32\nmax-steps = 4\n")

    def run(*words: Path | str, options: str = SHORT, code: int = 0) -> Any:
        files = (tables / "single.csv", "--model", tiny_bert, "--config", config)
        return steep("compare", *files, options, tiny, *words, code=code)

    return run


def report_of(steep: Steep, out: Path) -> str:
    steep("report", out)
    return (out / "report.md").read_text()


def test_tables_6_and_7_of_ulmfit(steep: Steep, study: Study, tmp_path: Path) -> None:
    out, names = tmp_path / "study", list(read_ablation("ulmfit").rows)
    plan = study("--ablation ulmfit --dry-run --out", out)
    assert f"plan: {2 * len(names)} cells ({', '.join(names)} x 2 seeds)" in plan.stderr
    assert "one fit with 40 labels of chain-thaw: about" in plan.stderr
    assert "step 2 for full: that of adapted" in plan.stderr
    assert "step 2 for lm-full: about" in plan.stderr and not out.exists()
    study("--ablation ulmfit --out", out)
    known = json.loads((out / "study.json").read_text())
    assert (known["arms"], known["args"]["ablation"]) == (names, "ulmfit")
    assert (known["args"]["unfreeze"], known["args"]["epochs"]) == ("gradual", 5)  # recipe, flag
    assert known["args"]["adapt"]["layer_decay"] == pytest.approx(1 / 2.6)
    folders = {path.parent.name for path in out.glob("*/steep.json")}
    assert folders == {"lm-full", "lm-full+discr", "adapted"}
    found = json.loads((out / "verdict.json").read_text())
    pairs = {(c["arm"], c["against"]): c for c in found["comparisons"]}
    assert {("adapted", "scratch"), ("adapted", "freez+cos"), ("full", "base")} <= pairs.keys()
    others = [c["p_holm"] for c in found["comparisons"] if not c["main"] and c["p_value"]]
    assert others and all(p is not None for p in others)
    page = report_of(steep, out)
    _, beside = page.split("## Beside the paper")
    line = next(row for row in beside.splitlines() if row.startswith("| full+discr |"))
    assert "| table 7: full + discr |" in line and line.endswith(
        "| 5.57 (+1.42) | 6.21 (+0.17) | 5.62 (+0.47) |"
    )
    gain = pairs["adapted", "full+discr"]["gain"]
    assert f"{gain:+.3f}".replace("-", "−") in line
    (out / "cells" / "scratch-40-seed1.json").unlink()
    assert "1 cell is left" in study("--ablation ulmfit --out", out).stderr
    again = json.loads((out / "verdict.json").read_text())
    assert again["arms"]["scratch"]["values"] == found["arms"]["scratch"]["values"]


def test_random_weights_differ_by_seed_and_from_the_checkpoint(
    tiny_bert: Path, tmp_path: Path
) -> None:
    folders = [random_weights(str(tiny_bert), tmp_path / str(seed), seed) for seed in (0, 1)]
    one, two = (load_file(folder / "model.safetensors") for folder in folders)
    given = load_file(tiny_bert / "model.safetensors")["bert.pooler.dense.weight"]
    assert not np.allclose(one["pooler.dense.weight"], two["pooler.dense.weight"])
    assert not np.allclose(one["pooler.dense.weight"], given)


def test_the_table_of_sun_with_texts_and_tables_of_others(
    steep: Steep, study: Study, tables: Path, tmp_path: Path
) -> None:
    out, more, other = tmp_path / "study", tmp_path / "more.txt", tmp_path / "other.csv"
    more.write_text("a fine film about nothing at all\n" * 40)
    table = pd.read_csv(tables / "single.csv")[:80]
    backwards = [" ".join(reversed(text.split())) for text in table["text"]]  # no copies
    table.assign(text=backwards).to_csv(other, index=False)
    words = ("--ablation sun2019 --in-domain", more, "--tables", other)
    refused = study(*words, "--out", out, code=2)
    assert "the arm multitask learns from all training labels" in refused.stderr
    arms = "--arms base,adapted,in-domain,multitask,windows-max,first-layer,decay-0.85"
    short = "--label label --epochs 1 --seeds 1 --keep-going"
    done = study(*words, arms, "--out", out, options=short)
    assert "left out, for lack of texts: cross-domain (--cross-domain FILE)" in done.stderr
    assert "multitask comes on top: its time is not estimated" in done.stderr
    made = json.loads((out / "multitask" / "steep.json").read_text())
    assert made["stage"] == "multitask" and set(made["data"]) == {"task", "other"}
    first = json.loads((out / "multitask" / "results.json").read_text())["sets"]["task"]
    assert first["rows"] == json.loads((out / "study.json").read_text())["data"]["parts"]["train"]
    assert "| 5.36 (+0.04) | 2.19 (+0.09) | – | 5.20 (+0.05) |" in report_of(steep, out)
    other.write_text(other.read_text() + "\n" + "y1,a lovely new row,positive")
    refused = study(*words, arms, "--out", out, options=short, code=2)
    assert "holds a study with other options (tables)" in refused.stderr


def test_texts_that_are_nearest_at_random_or_curated(
    steep: Steep, study: Study, tmp_path: Path
) -> None:
    out, pile, own = tmp_path / "study", tmp_path / "pile.txt", tmp_path / "own.txt"
    near = [f"a good film with a long story number {n}" for n in range(60)]
    pile.write_text("\n".join(near + [f"zzz yyy xxx www {n}" for n in range(600)]))
    own.write_text("\n".join(f"this film is so good {n}" for n in range(30)))
    words = ("--ablation dont-stop-pretraining --pile", pile, "--curated", own)
    arms = "--arms base,adapted,curated,random,50nn"
    plan = study(*words, "--dry-run --out", out)
    assert "base, adapted, curated, random, 50nn, 150nn, 500nn x 2 seeds" in plan.stderr
    assert "step 2 for 500nn: about" in plan.stderr
    done = study(*words, arms, "--out", out, options=f"{SHORT} --epochs 1 --seeds 1")
    drawn = {
        arm: [int(n.replace(",", "")) for n in line.split(" texts of")[0].split(" of ")]
        for arm, _, line in (line.partition(": ") for line in done.stderr.splitlines())
        if arm in ("random", "50nn") and "texts of the pile" in line
    }
    assert drawn["random"] == drawn["50nn"] and drawn["50nn"][1] == 660
    read = {
        arm: json.loads((out / arm / "results.json").read_text())["documents"]
        for arm in ("adapted", "curated", "random", "50nn")
    }
    assert read["curated"] == read["adapted"] + 30
    assert read["random"] == read["50nn"] == read["adapted"] + drawn["50nn"][0]
    assert "| 83.3 (+1.40) | 80.8 (+1.50) | 70.7 (+7.70) | – |" in report_of(steep, out)


def test_a_file_of_ones_own_is_an_ablation(steep: Steep, study: Study, tmp_path: Path) -> None:
    own, out = tmp_path / "mine.toml", tmp_path / "study"
    text = "[ablation]\npaper = 'Mine'\nfigures = 'per cent'\ncolumns = ['A']\n"
    text += "[arms.base]\nplace = 'row 1'\n[arms.adapted]\nplace = 'row 2'\npaper = ['1']\n"
    own.write_text(text + "[arms.flat]\nplace = 'row 3'\nfit = { layer_decay = 1.0 }\n")
    study("--ablation", own, "--out", out, options=f"{SHORT} --epochs 1")
    page = report_of(steep, out)
    assert "| flat | row 3 |" in page
    own.write_text(own.read_text() + "[arms.more]\nplace = 'row 4'\nfit = { epochs = 2 }\n")
    refused = study("--ablation", own, "--out", out, options=f"{SHORT} --epochs 1", code=2)
    assert "holds a study with other options (" in refused.stderr
    own.unlink()
    assert "The paper's figures cannot be shown" in report_of(steep, out)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[fits]\nepochs = 1", "there is no key 'fits'. Did you mean 'fit'?"),
        ("[arms.x]\npaper = ['1']", "the key 'arms.x.place' is missing"),
        ("[arms.x]\nplace = 'p'\npaper = ['1', '2']", "paper must have 1 figures"),
        ("[arms.x]\nplace = 'p'\nstep2 = 'more'", "the key 'arms.x.step2' must be one of"),
        ("[arms.x]\nplace = 'p'\nneighbours = 5", "neighbours belongs to 'nearest texts'"),
        ("[arms.x]\nplace = 'p'\nfits = {}", "[arms.x]: there is no key 'fits'"),
        ("[arms.'a,b']\nplace = 'p'", "the name of an arm must have no comma"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, more: str, told: str) -> None:
    own = tmp_path / "mine.toml"
    text = "[ablation]\npaper = 'Mine'\nfigures = 'per cent'\ncolumns = ['A']\n"
    own.write_text(f"{text}[arms.base]\nplace = '1'\n[arms.adapted]\nplace = '2'\n{more}\n")
    with pytest.raises(SteepError) as refused:
        read_ablation(str(own))
    assert told in str(refused.value) and str(own) in str(refused.value)


def test_what_goes_with_no_ablation(study: Study, tmp_path: Path) -> None:
    out, pile = tmp_path / "no", tmp_path / "pile.txt"
    pile.write_text("some text")
    for words, told in (
        (("--pile", pile), "option 'pile' is for an --ablation"),
        (("--ablation ulmfit --pile", pile), "option 'pile': no arm of"),
        (("--ablation ulmfat",), "there is no ablation 'ulmfat'; there are dont-stop-pretraining"),
        (("--ablation", tmp_path / "no.toml"), "no.toml"),
    ):
        assert told in study(*words, "--out", out, code=2).stderr
        assert not out.exists()


def test_all_that_ship_say_where_each_arm_stands() -> None:
    assert ablation_names() == ["dont-stop-pretraining", "sun2019", "ulmfit"]
    for name in ablation_names():
        found = read_ablation(name)
        assert str(FOLDER) in found.source and found.paper and found.notes
        figures = [figure for row in found.rows.values() for figure in row.paper if figure]
        assert all(0 < float(figure) < 100 for figure in figures)


def test_a_published_gain_is_positive_where_the_arm_is_better() -> None:
    errors, scores = read_ablation("sun2019"), read_ablation("dont-stop-pretraining")
    assert errors.published_gain("adapted", 0) == pytest.approx(1.03)  # 5.40 to 4.37 per cent
    assert errors.published_gain("adapted", 2) == pytest.approx(-0.4)
    assert scores.published_gain("500nn", 2) == pytest.approx(12.5)
    assert f"{scores.published_gain('random', 0):+.2f}" == "+0.00"
    assert errors.published_gain("base", 0) is errors.published_gain("tfidf", 0) is None
