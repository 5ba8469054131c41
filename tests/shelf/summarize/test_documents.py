"""Are documents read and split as they say, and is what is wrong with them told by its row?"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from steep.data.corpus import Corpus
from steep.errors import SteepError
from steep.options import make
from steep.shelf.summarize import DocumentArgs, ReferenceArgs
from steep.shelf.summarize.documents import (
    Document,
    as_json,
    documents_of,
    from_json,
    read_documents,
    split,
    usable,
)

PUNKT = PunktSentenceTokenizer(PunktParameters())
SUMMARY = ReferenceArgs()


def listed(corpus: Corpus, splitter: PunktSentenceTokenizer) -> list[Document]:
    return list(documents_of(corpus, splitter))


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_line_breaks_end_sentences_and_punkt_does_within_lines() -> None:
    assert split("A title\n\nOne. Two!\r\nThree.", PUNKT) == ["A title", "One.", "Two!", "Three."]
    assert split("One.\n***\nTwo.", PUNKT) == ["One. ***", "Two."], "nothing is lost"
    assert split(" \n ", PUNKT) == []


def test_lists_of_sentences_stay_as_they_are(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"text": ["One. Two.", "", "Three\nfour"], "summary": ["One. Two."]},
        {"text": ["Lone. One."], "summary": "x"},
    )
    with pytest.raises(SteepError, match="row 2 .*some rows hold a list and others do not"):
        listed(read_documents(path, DocumentArgs(), SUMMARY), PUNKT)
    frame = pd.DataFrame({"text": [["One. Two.", "", "Three\nfour"], ["Lone. One."]]})
    found = listed(read_documents(frame, DocumentArgs()), PUNKT)
    assert [one.sentences for one in found] == [["One. Two.", "", "Three four"], ["Lone. One."]]


def test_a_list_of_documents_is_read(tmp_path: Path) -> None:
    found = listed(read_documents(["One. Two.", ""], DocumentArgs()), PUNKT)
    assert [one.sentences for one in found] == [["One.", "Two."], []]


def test_what_was_learnt_is_kept() -> None:
    punkt = PunktParameters()
    punkt.abbrev_types = {"dr", "u.s"}
    punkt.collocations = {("no", "##number##")}
    punkt.sent_starters = {"the"}
    punkt.ortho_context.update({"smith": 6})
    own, text = PunktSentenceTokenizer(punkt), "He met Dr. Smith of the U.S. Army. The end."
    back = from_json(json.loads(json.dumps(as_json(punkt))))
    assert back.tokenize(text) == own.tokenize(text) == own.tokenize(text)
    assert len(own.tokenize(text)) == 2 < len(PUNKT.tokenize(text))


def test_rows_without_text_or_summary_are_left_out_by_number(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"text": "", "summary": "x"},
        {"text": "A. B.", "summary": "B."},
        {"text": "A. B.", "summary": None},
        {"text": "  ", "summary": ""},
    )
    found = usable(read_documents(path, DocumentArgs(), SUMMARY))
    assert len(found) == 1
    assert found.rows().tolist() == [1]
    assert found.notes == (
        "a.jsonl: 2 of 4 documents have no text (rows 1, 4): left out",
        "a.jsonl: 1 of 4 documents have no summary (row 3): left out",
    )


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([1], "row 1: 1 labels for 2 sentences"),
        ([1, 2], "row 1: a label of a sentence must be 0 or 1, not '2'"),
        ("1", "expected lists of 0 and 1"),
    ],
)
def test_labels_that_do_not_fit_are_told(tmp_path: Path, labels: Any, told: str) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "A cat. A dog.", "labels": labels})
    asked = make(ReferenceArgs, sentence_labels="labels")
    with pytest.raises(SteepError, match=told):
        listed(read_documents(path, DocumentArgs(), asked), PUNKT)


def test_labels_make_the_reference(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "A cat. A dog.", "labels": [0, True]})
    asked = make(ReferenceArgs, sentence_labels="labels")
    (one,) = listed(read_documents(path, DocumentArgs(), asked), PUNKT)
    assert (one.marks, one.reference) == ([0, 1], ["A dog."])
