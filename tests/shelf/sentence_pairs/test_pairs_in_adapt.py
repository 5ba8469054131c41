"""Does adapt train on sentence pairs, report them, and refuse what makes none?"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoTokenizer,
    BertForPreTraining,
    PreTrainedTokenizerFast,
    pipeline,
)

Steep = Callable[..., Any]
Refused = Callable[..., str]
POOLER = "bert.pooler.dense.weight"


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 90 documents without labels, of one to five sentences."""
    draw, words = random.Random(0), "film actor scene story road river tree dog".split()
    texts = []
    for number in range(90):
        lines = [" ".join(draw.choices(words, k=5)).capitalize() for _ in range(1 + number % 5)]
        texts.append(". ".join(lines) + ".")
    path = tmp_path_factory.mktemp("stories") / "stories.csv"
    pd.DataFrame({"text": texts}).to_csv(path, index=False)
    return path


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("kind", ["next", "order"])
def test_pairs_are_trained_on_and_reported(
    steep: Steep, stories: Path, tiny_bert: Path, tiny: str, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "adapted"
    words = ("--valid-share 0 --test-share 0 --heldout-share 0.2 --masking word", "--sentences")
    done = steep("adapt", stories, "--model", tiny_bert, tiny, *words, kind, "--out", out)
    found = results(out)
    assert found["heldout_pairs"] > 5
    before, after = (found["pair_accuracy"][when] for when in ("before", "after"))
    assert 0 <= after <= 1
    assert f"pair accuracy: {before:.3f} before, {after:.3f} after" in done.stderr
    history = pd.read_csv(out / "history.csv")
    assert history["valid_pair_accuracy"].iloc[-1] == found["pair_accuracy"]["after"]
    manifest = json.loads((out / "steep.json").read_text())
    assert manifest["args"]["sentences"] == kind
    notes = manifest["notes"]
    assert any("18 documents of one sentence make no pair" in note for note in notes)
    before, after = (load_file(f / "model.safetensors")[POOLER] for f in (tiny_bert, out))
    assert (before != after).any(), "the pooler is trained, and kept"
    assert len(pipeline("fill-mask", model=str(out))("the film [MASK] .")) == 5
    page = tmp_path / "page.html"
    steep("report", out, "--out", page)
    assert "accuracy on sentence pairs" in page.read_text()


def test_documents_without_two_sentences_are_refused(
    refused: Refused, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    path = tmp_path / "short.txt"
    path.write_text("\n".join(["film actor scene", "road river"] * 20))
    words = ("adapt", path, "--model", tiny_bert, tiny, "--sentences next --out", tmp_path / "out")
    said = refused(*words)
    assert "0 of the documents to train on have two sentences or more" in said
    assert "--sentences none" in said


def test_a_tokenizer_without_segments_is_refused(
    refused: Refused, stories: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    model, own = tmp_path / "model", AutoTokenizer.from_pretrained(tiny_bert)
    BertForPreTraining.from_pretrained(tiny_bert).save_pretrained(model)
    rules = own.backend_tokenizer
    rules.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", own.cls_token_id), ("[SEP]", own.sep_token_id)],
    )
    roles = {f"{role}_token": f"[{role.upper()}]" for role in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=rules, **roles).save_pretrained(model)
    said = refused(
        "adapt", stories, "--model", model, tiny, "--sentences order --out", tmp_path / "out"
    )
    assert "its tokenizer gives both segments the same type" in said


def test_an_unknown_objective_is_refused(
    steep: Steep, stories: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    words = ("adapt", stories, "--model", tiny_bert, "--sentences previous --out", tmp_path / "out")
    assert "--sentences" in steep(*words, code=2).stderr


def test_pairs_cannot_be_packed(
    refused: Refused, stories: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    words = ("adapt", stories, "--model", tiny_bert, tiny, "--pack --sentences next --out")
    said = refused(*words, tmp_path / "out")
    assert "option 'pack': sentence pairs fill their windows. Leave it out." in said


def test_documents_of_one_sentence_make_no_pairs(
    steep: Steep, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    file, out = tmp_path / "words.txt", tmp_path / "adapted"
    file.write_text("\n".join(["the cat", "the dog", "the road"] * 20))
    how = "--unit line --valid-share 0 --test-share 0 --sentences next"
    said = steep("adapt", file, how, "--model", tiny_bert, tiny, "--out", out, code=2).output
    assert "sentence" in said
    assert "--sentences none" in said
    assert not out.exists()
