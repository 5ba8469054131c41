"""Does a summariser learn, write what it chose, come back as it was, and say what is wrong?"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import steep as package
from steep.models.kernels import fast_dtype
from steep.options import options_of
from steep.shelf.summarize import (
    SummaryCompareArgs,
    SummaryEvaluateArgs,
    SummaryFitArgs,
    SummaryPredictArgs,
)
from tests.shelf.summarize.conftest import COLUMNS, SHORT, made, write

Steep = Callable[..., Any]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_learns_which_sentences_make_a_summary(summariser: Path) -> None:
    results = json.loads((summariser / "results.json").read_text())
    assert results["rule"] == {"kind": "sentences", "value": 2.0, "block_trigrams": False}
    test = results["test"]
    assert test["gains"]["lead"]["low"] > 0, "lead holds the first sentence, which is never right"
    assert test["gains"]["random"]["value"] > 25
    assert test["rouge"]["oracle"]["rouge1"]["value"] == pytest.approx(100)
    history = pd.read_csv(summariser / "history.csv")
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    assert history["rouge"].max() == history["rouge"][results["best_epoch"] - 1]
    notes = json.loads((summariser / "steep.json").read_text())["notes"]
    assert any("by matching sentences in 84" in note for note in notes)
    assert results["rouge_settings"]["stemmed"] is (results["rouge_settings"]["words"] == "english")


def test_where_training_harms_the_encoder_stays_as_it_was(
    articles: Path, tiny_bert: Path, steep: Steep, tmp_path: Path
) -> None:
    """At a rate that ruins it, the head's own start is the best there is: epoch 0."""
    out, files = tmp_path / "s", (articles, COLUMNS, "--model", tiny_bert)
    steep("summarize fit", *files, SHORT, "--epochs 1 --learning-rate 1", "--out", out)
    results = json.loads((out / "results.json").read_text())
    assert results["best_epoch"] == 0
    kept, start = (load_file(folder / "model.safetensors") for folder in (out, tiny_bert))
    same = [name for name in kept if torch.equal(kept[name], start.get(f"bert.{name}"))]
    assert len(same) == len(kept)
    notes = json.loads((out / "steep.json").read_text())["notes"]
    assert any("the encoder stays as it was" in note for note in notes)


def test_summaries_are_in_order_with_numbers_and_scores(
    summariser: Path, more: Path, steep: Steep, tmp_path: Path
) -> None:
    out = tmp_path / "s.jsonl"
    steep("summarize predict", summariser, more, "--out", out)
    found, rows = lines(out), made(40, 2)
    assert [one["id"] for one in found] == [row["id"] for row in rows]
    right = []
    for one, row in zip(found, rows, strict=True):
        assert one["numbers"] == sorted(one["numbers"])
        assert len(one["numbers"]) == len(one["scores"]) == 2
        assert one["sentences"] == [row["sentences"][i - 1] for i in one["numbers"]]
        assert one["summary"] == " ".join(one["sentences"])
        right += [row["labels"][i - 1] for i in one["numbers"]]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("--sentences 3", lambda n: 3),
        ("--ratio 0.5", lambda n: round(0.5 * n)),
        ("--sentences 99", int),
    ],
)
def test_the_length_is_the_users(
    summariser: Path,
    more: Path,
    steep: Steep,
    tmp_path: Path,
    size: str,
    count: Callable[[int], int],
) -> None:
    out = tmp_path / "s.jsonl"
    steep("summarize predict", summariser, more, size, "--out", out)
    wanted = [count(len(row["sentences"])) for row in made(40, 2)]
    assert [len(one["numbers"]) for one in lines(out)] == [
        min(n, len(row["sentences"])) for n, row in zip(wanted, made(40, 2), strict=True)
    ]


def test_words_are_a_budget(summariser: Path, more: Path) -> None:
    found = package.summarize.predict(summariser, more, words=12)
    assert isinstance(found, pd.DataFrame)
    assert found["summary"].str.split().map(len).max() <= 12


def test_another_process_gives_the_same(
    summariser: Path, more: Path, steep: Steep, tmp_path: Path
) -> None:
    outs = [tmp_path / f"{i}.jsonl" for i in range(2)]
    steep("summarize predict", summariser, more, "--device cpu --precision fp32 --out", outs[0])
    words = ["summarize", "predict", summariser, more, "--out", outs[1]]
    command = [sys.executable, "-m", "steep", *map(str, words), "--device", "cpu"]
    done = subprocess.run([*command, "--precision", "fp32"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_single_documents_score_as_in_a_batch(summariser: Path) -> None:
    rows = [row["sentences"] for row in made(12, 2)]
    how: dict[str, Any] = {"device": "cpu", "precision": "fp32", "sentences": 4}
    together = package.summarize.predict(summariser, rows, **how)
    assert isinstance(together, pd.DataFrame)
    for row, numbers, scores in zip(rows, together["numbers"], together["scores"], strict=True):
        alone = package.summarize.predict(summariser, [row], batch_size=1, **how)
        assert isinstance(alone, pd.DataFrame)
        assert alone["numbers"][0] == numbers
        assert alone["scores"][0] == pytest.approx(scores, abs=1e-4)


def test_bf16_scores_as_fp32_but_for_rounding(summariser: Path, more: Path) -> None:
    if fast_dtype() != torch.bfloat16:
        pytest.skip("needs a processor with bf16")
    both = [
        package.summarize.predict(summariser, more, ratio=1.0, device="cpu", precision=precision)
        for precision in ("fp32", "bf16")
    ]
    fp32, bf16 = (np.concatenate(found["scores"].tolist()) for found in both)
    assert np.abs(fp32 - bf16).max() < 0.05


def test_evaluation_beside_baselines_with_a_report(
    summariser: Path, more: Path, articles: Path, steep: Steep, tmp_path: Path
) -> None:
    out = tmp_path / "evaluated"
    done = steep("summarize evaluate", summariser, more, "--shuffled --out", out)
    assert "model against lead: +" in done.stdout
    assert "sentences in random order" in done.stdout
    test = json.loads((out / "results.json").read_text())["test"]
    assert set(test["rouge"]) == {"model", "lead", "textrank", "random", "oracle"}
    again = package.summarize.evaluate(summariser, more)
    assert again["test"]["rouge"] == test["rouge"]
    for folder in (out, summariser):
        page = steep("report", folder, "--out", tmp_path / f"{folder.name}.html")
        text = (tmp_path / f"{folder.name}.html").read_text(encoding="utf-8")
        assert page.exit_code == 0
        assert "How good are the summaries?" in text
        assert "✓ " in text
        assert "steep summarize " in text
    bare = tmp_path / "bare.html"
    steep("report", out, "--no-texts --out", bare)
    assert made(40, 2)[0]["sentences"][0] not in bare.read_text(encoding="utf-8")
    seen = steep("summarize evaluate", summariser, articles)
    assert "was trained on 84 of 120 documents" in seen.stderr


def test_the_folder_is_an_encoder_with_a_card(summariser: Path) -> None:
    from transformers import AutoModel

    AutoModel.from_pretrained(summariser)
    card = (summariser / "README.md").read_text(encoding="utf-8")
    assert "steep summarize predict summariser" in card
    assert "pipeline_tag: summarization" in card
    assert str(summariser.parent) not in card
    assert not any(path.suffix in (".bin", ".pt", ".pkl") for path in summariser.iterdir())


def test_labels_and_lists_of_sentences(articles: Path, tiny_bert: Path, tmp_path: Path) -> None:
    out = package.summarize.fit(
        articles,
        tiny_bert,
        out=tmp_path / "labelled",
        text="sentences",
        sentence_labels="labels",
        sentence_vectors="cls",
        epochs=1,
        device="cpu",
        precision="fp32",
    )
    results = json.loads((out / "results.json").read_text())
    assert results["sentence_vectors"] == "cls"
    assert results["test"]["rouge"]["oracle"]["rouge1"]["value"] == pytest.approx(100)
    found = package.summarize.evaluate(out, articles)
    assert found["test"]["documents"] == 120


def test_windows_of_few_sentences_score_all_of_them(
    articles: Path, tiny_bert: Path, more: Path, tmp_path: Path, steep: Steep
) -> None:
    out = tmp_path / "windowed"
    files = (articles, COLUMNS, "--model", tiny_bert, "--device cpu --precision fp32")
    steep("summarize fit", *files, "--sentence-vectors cls --max-length 32 --epochs 1 --out", out)
    notes = json.loads((out / "steep.json").read_text())["notes"]
    assert any("beyond their first window" in note for note in notes)
    found = package.summarize.predict(out, more, ratio=1.0, device="cpu", precision="fp32")
    assert isinstance(found, pd.DataFrame)
    assert [len(n) for n in found["numbers"]] == [len(row["sentences"]) for row in made(40, 2)]


def test_empty_documents_have_empty_summaries(
    summariser: Path, steep: Steep, tmp_path: Path
) -> None:
    rows = [{"article": a} for a in ("", "One only.", "   \n ", "The cat. A dog. The sea.")]
    done = steep(
        "summarize predict", summariser, write(tmp_path / "a.jsonl", rows), "--out", tmp_path / "s"
    )
    found = lines(tmp_path / "s")
    assert [len(one["numbers"]) for one in found] == [0, 1, 0, 2]
    assert "a.jsonl: 2 of 4 documents are empty (rows 1, 3)" in done.stderr


def test_text_of_another_script_has_a_summary(summariser: Path) -> None:
    """ROUGE's words of English are a to z; a sentence that has none of them can be chosen, too."""
    texts = ["Первое предложение. Второе предложение.", "今天下雨。我们在家。"]
    found = package.summarize.predict(summariser, pd.DataFrame({"article": texts}), sentences=1)
    assert [len(own) for own in found["sentences"]] == [1, 1]
    assert all(own[0] in text for own, text in zip(found["sentences"], texts, strict=True))


def test_what_is_odd_is_told_by_row(steep: Steep, tiny_bert: Path, tmp_path: Path) -> None:
    rows = made(60, 3)
    rows[4]["article"] = "Only one sentence here of a cat."
    rows[7]["highlights"] = ""
    rows[9]["article"] = ""
    rows[50] = rows[3] | {"id": "copy", "highlights": rows[3]["highlights"] + " More."}
    path = write(tmp_path / "a.jsonl", rows)
    done = steep(
        "summarize fit",
        path,
        COLUMNS,
        "--model",
        tiny_bert,
        SHORT,
        "--epochs 1 --out",
        tmp_path / "o",
    )
    assert "a.jsonl: 1 of 60 documents have no text (row 10): left out" in done.stderr
    assert "a.jsonl: 1 of 60 documents have no summary (row 8): left out" in done.stderr
    assert "documents have one sentence (row 5)" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--summary abstract", "there is no column 'abstract'"),
        ("--text body", "there is no column 'body'"),
        (f"{COLUMNS} --sentences 2 --words 9", "options sentences and words"),
        (f"{COLUMNS} --valid-share 0", "valid_share 0"),
        ("--text highlights --summary article", "columns --text and --summary swapped?"),
        (f"{COLUMNS} --max-length 4000", "max_length 4000: the checkpoint takes 8 to 64 tokens"),
        ("--text article --sentence-labels id", "expected lists of 0 and 1"),
    ],
)
def test_mistakes_are_told(
    refused: Callable[..., str],
    articles: Path,
    tiny_bert: Path,
    tmp_path: Path,
    words: str,
    told: str,
) -> None:
    columns = words if "--text" in words else f"--text article {words}"
    files = ("summarize fit", articles, columns, "--model", tiny_bert, "--device cpu --out")
    assert told in refused(*files, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda row: {"article": "", "highlights": ""}, "no row has both a text and summary"),
        (
            lambda row: {"article": row["sentences"][0], "highlights": row["sentences"][0]},
            "every training document has one sentence",
        ),
        (lambda row: {"highlights": "999"}, "no sentence of the training documents shares a word"),
    ],
)
def test_documents_that_nothing_can_be_learnt_from(
    refused: Callable[..., str], tiny_bert: Path, tmp_path: Path, change: Any, told: str
) -> None:
    rows = [row | change(row) for row in made(40, 3)]
    files = (write(tmp_path / "a.jsonl", rows), COLUMNS, "--model", tiny_bert, SHORT, "--out")
    assert told in refused("summarize fit", *files, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("label", "told"),
    [(None, "no row has both a text and labels"), (0, "training documents has the label 1")],
)
def test_labels_that_nothing_can_be_learnt_from(
    refused: Callable[..., str], tiny_bert: Path, tmp_path: Path, label: int | None, told: str
) -> None:
    rows = [row | {"labels": [label] * len(row["sentences"])} for row in made(40, 3)]
    files = (write(tmp_path / "a.jsonl", rows), "--text sentences --sentence-labels labels --model")
    assert told in refused("summarize fit", *files, tiny_bert, SHORT, "--out", tmp_path / "out")


def test_folders_that_are_no_summarisers_are_told(
    refused: Callable[..., str], more: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    told = refused("summarize predict", tiny_bert, more, "--out", tmp_path / "s.jsonl")
    assert "not a folder written by 'steep summarize fit'" in told
    binary = tmp_path / "a.jsonl"
    binary.write_bytes(bytes(range(256)) * 9)
    told = refused("summarize fit", binary, "--model", tiny_bert, "--out", tmp_path / "o")
    assert "a.jsonl" in told


def test_a_text_file_is_one_document_and_a_folder_one_a_file(
    summariser: Path, steep: Steep, tmp_path: Path
) -> None:
    texts = [row["article"].replace(". ", ".\n\n") for row in made(3, 2)]
    (tmp_path / "texts").mkdir()
    for i, text in enumerate(texts):
        (tmp_path / "texts" / f"{i}.txt").write_text(text)
    for source, count in ((tmp_path / "texts" / "0.txt", 1), (tmp_path / "texts", 3)):
        steep("summarize predict", summariser, source, "--out", tmp_path / f"{count}.jsonl")
        assert [len(one["numbers"]) for one in lines(tmp_path / f"{count}.jsonl")] == [2] * count


COMMANDS = {
    "fit": SummaryFitArgs,
    "predict": SummaryPredictArgs,
    "evaluate": SummaryEvaluateArgs,
    "compare": SummaryCompareArgs,
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_one_screen_and_all_options_are_in_the_long_one(steep: Steep, name: str) -> None:
    short, long = (steep(f"summarize {name} {flag}").output for flag in ("--help", "--help-all"))
    assert len(short.strip().splitlines()) <= 40
    assert f"Example: steep summarize {name} " in short
    for option in options_of(COMMANDS[name]):
        flag = f"--{option.name.replace('_', '-')} "
        assert flag in long
        assert (flag in short) is option.metadata["common"], flag


def test_a_toml_file_has_a_table_for_each_command(
    summariser: Path, more: Path, steep: Steep, tmp_path: Path
) -> None:
    config, out = tmp_path / "c.toml", tmp_path / "s.jsonl"
    config.write_text(f'[summarize_predict]\nsentences = 1\nout = "{out}"\n[fit]\nepochs = 3\n')
    steep("summarize predict", summariser, more, "--config", config)
    assert {len(one["numbers"]) for one in lines(out)} == {1}


def test_a_killed_fit_ends_as_if_it_had_not_been(
    articles: Path, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steep.train import session

    how: dict[str, Any] = {"text": "article", "summary": "highlights", "epochs": 2}
    how |= {"device": "cpu", "precision": "fp32", "sentence_vectors": "cls"}
    whole = package.summarize.fit(articles, tiny_bert, out=tmp_path / "whole", **how)
    ran = session.Saver.after_batch

    def stop(self: Any) -> None:
        if self.train_iter == 14 and self.training:
            self.asked = 2
        ran(self)

    monkeypatch.setattr(session.Saver, "after_batch", stop)
    with pytest.raises(KeyboardInterrupt):
        package.summarize.fit(articles, tiny_bert, out=tmp_path / "killed", **how)
    monkeypatch.setattr(session.Saver, "after_batch", ran)
    assert not (tmp_path / "killed").exists()
    killed = package.summarize.fit(articles, tiny_bert, out=tmp_path / "killed", **how)
    notes = json.loads((killed / "steep.json").read_text())["notes"]
    assert any("resuming at step 14" in note for note in notes)
    for name in ("model.safetensors", "head.safetensors"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
