"""Does the page of an explanation show each word's attribution, safely, to everybody?"""

from pathlib import Path

from markdown_it import MarkdownIt

from steep import runs
from steep.reports.page import write_report
from steep.shelf.explain import ExplainArgs, explained_page
from tests.reports.conftest import NASTY, manifest


def folder(path: Path, text: str, words: list[tuple[str, float]]) -> Path:
    """A folder of `steep explain` with one row."""
    path.mkdir()
    runs.write_json(path / runs.MANIFEST, manifest("explain", ExplainArgs(), ()))
    places = [{"begin": text.index(w), "end": text.index(w) + len(w), "part": p} for w, p in words]
    row = {"row": 3, "id": "r3", "label": "good", "output": 0.9, "score": 1.5, "hidden": 0.2}
    row |= {"error": 0.01, "texts": [{"text": text, "words": places}]}
    found = {"model": "model", "task": {"kind": "single", "labels": ["bad", "good"]}, "steps": 50}
    runs.write_json(path / runs.RESULTS, found | {"rows": [row]})
    return path


def page_of(run: Path) -> Path:
    return write_report(run, pages={"explain": explained_page.EXPLAIN_PAGE})


def test_words_are_marked_and_told(tmp_path: Path) -> None:
    words = [("fine", 1.0), ("film", 0.001), ("dull", -0.5)]
    page = page_of(folder(tmp_path / "x", "a fine film, and a dull end", words))
    shown = page.read_text(encoding="utf-8")
    assert '<mark class="for" style="--share:45%" title="+1.00">fine</mark>' in shown
    assert '<mark class="against" style="--share:22%" title="−0.50">dull</mark>' in shown
    assert ">film</mark>" not in shown
    assert "For good: fine (+1.00); against it: dull (−0.50)." in shown
    assert "the attributions miss their sum by 0.010 at most" in shown


def test_what_was_not_read_is_left_out(tmp_path: Path) -> None:
    pieces = explained_page._text(
        {
            "text": "one two three four",
            "words": [
                {"begin": 0, "end": 3, "part": 1.0},
                {"begin": 14, "end": 18, "part": -1.0},
            ],
        },
        1.0,
    )
    assert [piece.text for piece in pieces] == ["one", explained_page.CUT, "four"]


def test_nothing_of_a_text_becomes_markup(tmp_path: Path) -> None:
    page = page_of(folder(tmp_path / "x", NASTY, [("<script>alert", 1.0), ("quotes", -0.5)]))
    assert "<script" not in page.read_text(encoding="utf-8")
    twin = page.with_suffix(".md").read_text(encoding="utf-8")
    drawn = MarkdownIt("commonmark", {"html": True}).render(twin)
    assert "<script" not in drawn
    assert "<em>stars</em>" not in drawn
