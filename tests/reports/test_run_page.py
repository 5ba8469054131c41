"""Does the page of an adaptation show what was learnt, and no text where none is wanted?"""

from pathlib import Path
from types import SimpleNamespace

from steep import runs
from steep.reports.page import write_report

LOOK = {
    "tokens": 1234,
    "least": 5,
    "words": 40,
    "better": [{"word": "rollicking", "times": 7, "before": -6.0, "after": -3.5}],
    "worse": [{"word": "soporific", "times": 5, "before": -2.0, "after": -2.25}],
    "examples": [
        {
            "text": "a ____ comedy",
            "truth": "rollicking",
            "before": [["new", 0.2], ["good", 0.1], ["bad", 0.05]],
            "after": [["rollicking", 0.6], ["good", 0.1], ["new", 0.02]],
        }
    ],
}


def test_the_page_shows_words_and_guesses_unless_texts_are_left_out(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    folder = make.adapt(tmp_path / "adapted")
    runs.write_json(folder / runs.LOOK, LOOK)
    target = write_report(folder)
    for shown in (target.read_text(), target.with_suffix(".md").read_text()):
        assert "1,234 masked tokens" in shown
        assert "at least 5 times" in shown
        assert "+2.50" in shown
        assert "−0.25" in shown
        assert "rollicking 60%, good 10%, new 2%" in shown
        assert "soporific" in shown
        assert "row" not in shown.partition("Predictions before and after")[2].partition("First")[0]
    target = write_report(folder, texts=False)
    for shown in (target.read_text(), target.with_suffix(".md").read_text()):
        assert "rollicking" not in shown
        assert "What it learnt" not in shown
