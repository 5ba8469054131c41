"""Do weights, balance, swapped copies and further labels change the training rows as they say?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steep.args.table import SplitArgs, TableArgs
from steep.data.load import load, read_table
from steep.openings import IdentityArgs, MitigationArgs
from steep.options import change
from steep.shelf.bias.mentions import read_identities
from steep.shelf.bias.mitigate import Mitigation, lacking, matched
from tests.shelf.bias.conftest import table_of

Steep = Callable[..., Any]
Refused = Callable[..., str]


def test_what_a_group_lacks_is_what_makes_its_share_the_usual_one() -> None:
    """Of 8 rows 4 are harmful; 3 of the group's 4 are, so 2 harmless ones are missing."""
    harmful = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    mentions = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)[:, None]
    wanted = lacking(np.ones(8, np.int64), mentions, harmful)
    assert wanted[:, 0].tolist() == [0, 2, 0, 0, 0, 0, 0, 0, 0]
    lengths, pile = np.array([1, 1, 1, 2, 1]), np.array([1, 1, 1, 1, 0], bool)[:, None]
    taken = matched(wanted, lengths, pile, 0)
    assert len(taken) == 2
    assert set(taken) < {0, 1, 2}
    assert (matched(wanted, lengths, pile, 0) == taken).all()


@pytest.mark.parametrize(
    ("scheme", "wanted"),
    [("kernel", (0.25, 0.5, 0.75, 0.75)), ("detoxify", (0.25, 0.5, 0.75, 0.5))],
)
def test_effective_weights(tmp_path: Path, scheme: str, wanted: tuple[float, ...]) -> None:
    """Harmless and harmful background, harmless and harmful in a group; other weights multiply."""
    path, asked = tmp_path / "c.csv", IdentityArgs(identities="women")
    pd.DataFrame(
        {
            "text": ["a", "b", "c", "d"],
            "toxic": [0, 1, 0, 1],
            "women": [0, 0, 1, 1],
            "weight": [1, 1, 1, 2],
        }
    ).to_csv(path, index=False)
    table = change(TableArgs(), {"label": "toxic", "sample_weight": "weight"})
    corpus = read_table(path, table)
    identities = read_identities(path, asked, "toxic", "auto")
    plan = Mitigation(identities, asked, MitigationArgs(bias_weights=scheme), "toxic")
    found = plan.weighted(corpus, 1).weights()
    assert found.tolist() == pytest.approx([*wanted[:3], 2 * wanted[3]])


def test_swapped_copies_of_held_out_rows_are_left_out(tmp_path: Path, terms: Path) -> None:
    """Of texts from templates every swap of a training row is a row of the test, or near one."""
    path, draw = tmp_path / "c.csv", np.random.default_rng(0)
    ends = [f"is {a} and {b} today" for a in ("sad", "glad", "late", "ill") for b in ("here", "in")]
    rows = [(f"this {who} {end}", i % 2) for i, end in enumerate(ends) for who in ("woman", "man")]
    more = [(f"a cat saw {draw.integers(9**9)} things", i % 2) for i in range(40)]
    pd.DataFrame([*rows, *more], columns=["text", "toxic"]).to_csv(path, index=False)
    asked, table = IdentityArgs(terms=terms), change(TableArgs(), {"label": "toxic"})
    data = load(path, table, SplitArgs())
    identities = read_identities(path, asked, "toxic", "auto")
    plan = Mitigation(identities, asked, MitigationArgs(swap_terms=True), "toxic")
    made = plan.applied(data, 0)
    held = {text for part in (data.valid, data.test) for text in part.whole()}
    before = [text for text in data.train.whole() if text in held]
    added = list(made.train.whole())[len(data.train) :]
    assert added
    assert not before
    assert held.isdisjoint(added)
    assert any("equal a held-out row and are left out" in note for note in made.notes)


def test_options_of_a_fit(
    steep: Steep, comments: Path, terms: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    """All at once: rows of the pile and swapped copies join, and each group is a label."""
    pile, out = tmp_path / "pile.csv", tmp_path / "model"
    more = table_of(900, seed=5)
    held = pd.read_csv(comments)["text"]
    pd.DataFrame({"text": [*more["text"][more["toxic"] < 0.5], *held]}).to_csv(pile, index=False)
    rows = pd.read_csv(comments)
    drop = (rows["women"] >= 0.5) & (rows["toxic"] < 0.5) & (rows.index % 12 < 6)
    own = tmp_path / "own.csv"
    rows[~drop].to_csv(own, index=False)
    words = "--label toxic --soft --balance"
    training = "--swap-terms --identity-outputs --bias-weights detoxify --epochs 2 --model"
    done = steep("fit", own, words, pile, "--terms", terms, training, tiny_bert, tiny, "--out", out)
    note = next(line for line in done.stderr.splitlines() if line.startswith("balance:"))
    assert "women" in note
    assert not note.startswith("balance: 0 texts")
    assert "texts with swapped terms added" in done.stderr
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert found["task"]["labels"] == ["toxic", "women", "men", "cats"]
    made = json.loads((out / "steep.json").read_text(encoding="utf-8"))
    assert made["args"]["swap_terms"] is True
    steep("bias", out, own, "--label toxic --terms", terms)
    again = (steep("report", out), (out / "report.md").read_text(encoding="utf-8"))[1]
    assert "--swap-terms" in again


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--bias-weights kernel", "--identities COLUMN,COLUMN"),
        ("--identities women", "name one of these, or leave --identities and --terms out"),
        ("--swap-terms --identities women", "swap_terms: needs words"),
        ("--balance {pile} --identities women", "balance: needs words"),
        ("--bias-weights kernel --identities women,nobody", "column 'nobody' is not there"),
        ("--balance nowhere --terms {terms}", "nowhere: there is no such file"),
    ],
)
def test_what_a_mitigation_needs(
    refused: Refused,
    comments: Path,
    tiny_bert: Path,
    tiny: str,
    tmp_path: Path,
    words: str,
    said: str,
    terms: Path,
) -> None:
    given = words.format(pile=comments, terms=terms)
    message = refused(
        *("fit", comments, "--label toxic --soft", given, "--model", tiny_bert, tiny),
        *("--out", tmp_path / "out"),
    )
    assert said in message


def test_a_group_is_not_called_as_the_harmful_class(
    refused: Refused, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    path, rows = tmp_path / "c.csv", table_of(60)
    named = np.where(rows["toxic"] >= 0.5, "bad", "fine")
    rows.assign(toxic=named, bad=rows["women"]).to_csv(path, index=False)
    words = "--label toxic --identities bad --identity-outputs --positive bad --model"
    told = refused("fit", path, words, tiny_bert, tiny, "--out", tmp_path / "out")
    assert "'bad' is the harmful class and a group" in told
