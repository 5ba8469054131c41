"""Does the report say what the folders hold, safely, offline, and always in the same bytes?"""

import csv
import html
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from markdown_it import MarkdownIt

from steep import runs
from steep.errors import SteepError
from steep.reports.page import write_report

MANY = tuple(f"intent {i}" for i in range(77))
VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Elements as they open, and whether each is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser.elements


@pytest.fixture(scope="module")
def study(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make.study(tmp_path_factory.mktemp("report") / "study")


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return write_report(study).read_text(encoding="utf-8")


def folder_of(make: SimpleNamespace, name: str, folder: Path) -> Path:
    """One folder of every sort."""
    return {
        "adapt": lambda: make.adapt(folder),
        "fit": lambda: make.fit(folder),
        "fit, several labels": lambda: make.fit(folder, "multi", ("toxic", "threat", "a|b")),
        "fit, regression": lambda: make.fit(folder, "regression", ("score",)),
        "evaluate": lambda: make.evaluate(folder),
        "study, several labels": lambda: make.study(folder, "multi", ("toxic", "threat")),
        "study, regression": lambda: make.study(folder, "regression", ("score",)),
        "study, many classes": lambda: make.study(folder, labels=MANY),
    }[name]()


SORTS = (
    "adapt",
    "fit",
    "fit, several labels",
    "fit, regression",
    "evaluate",
    "study, several labels",
    "study, regression",
    "study, many classes",
)


@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_of_folder_gives_a_sound_page(
    make: SimpleNamespace, tmp_path: Path, sort: str
) -> None:
    path = write_report(folder_of(make, sort, tmp_path / "folder"))
    elements = outline(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "folder" / "report.html"
    assert [tag for tag, _ in elements].count("h1") == 1
    assert "script" not in {tag for tag, _ in elements}
    charts = [attrs for tag, attrs in elements if tag == "svg" and "class" in attrs]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)
    assert all(attrs.get("scope") for tag, attrs in elements if tag == "th")
    assert path.with_suffix(".md").read_text(encoding="utf-8").startswith("# ")
    assert {p.name for p in path.parent.iterdir() if "partial" in p.name} == set()


def test_a_study_shows_verdict_results_cost_and_data(study: Path, page: str) -> None:
    verdict = runs.read_json(study / runs.VERDICT)
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    assert '<span class="answer">Yes</span>' in page
    assert text.count(verdict["sentence"]) == 1, "the paragraph repeats the sentence: show it once"
    assert "All five seeds gained." in text and verdict["warnings"][0] in text
    for arm in ("tfidf", "base", "adapted"):
        assert f"{verdict['arms'][arm]['mean']:.3f}" in text
    for title in ("Results by arm", "Step 2", "Learning curves", "Cost", "Confusion", "Data"):
        assert f"<h2>{title}</h2>" in page
    assert "Step 2 took as long as 4.1 fits of the base arm." in text
    assert "12.3 min" in text and "3.1 s" in text
    assert "reviews.csv: 3 rows without text were left out." in text
    assert "--unlabelled 'my texts.txt'" in text and "--out study/" in text


def slopes(page: str) -> int:
    """How many seeds are joined from one arm to the other."""
    drawn = re.search(r'aria-label="[^"]*a seed each:.*?</svg>', page, re.DOTALL)
    return drawn[0].count("<line x1") if drawn else 0


def test_seeds_are_dots_and_pairs_are_slopes(page: str) -> None:
    assert page.count("<title>seed ") == 15
    assert slopes(page) == 5


def test_nothing_comes_from_elsewhere(page: str) -> None:
    elements = outline(page)
    assert not any({"src", "href", "srcset"} & attrs.keys() for _, attrs in elements)
    assert (
        "url(" not in page
        and "@import" not in page
        and "http" not in page.replace("http-equiv", "")
    )


def test_same_folder_same_bytes(study: Path, tmp_path: Path) -> None:
    first, second = (write_report(study, tmp_path / f"{name}.html") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".md").read_bytes() == second.with_suffix(".md").read_bytes()


def test_texts_and_labels_are_escaped(make: SimpleNamespace, tmp_path: Path) -> None:
    labels = ("<b>no</b> | one\ntwo", "yes & more")
    folder = make.study(tmp_path / "s", labels=labels, rows=60)
    for path in (folder / runs.CELLS).glob("*.csv"):  # the nasty row: wrong for base, then right
        said = labels[1] if path.name.startswith("adapted") else labels[0]
        lines = _read_csv(path)
        lines[0] |= {"truth": labels[1], "predicted": said}
        runs.write_csv(path, lines)
    plain = {
        tag for tag, _ in outline(write_report(make.study(tmp_path / "plain")).read_text("utf-8"))
    }
    page = write_report(folder).read_text(encoding="utf-8")
    assert {tag for tag, _ in outline(page)} <= plain
    assert "a &lt;script&gt;alert(" in page
    assert "&lt;b&gt;no&lt;/b&gt; | one" in page and "<b>no" not in page


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("sort", ["fit", "study, many classes"])
def test_without_texts_no_text_appears(make: SimpleNamespace, tmp_path: Path, sort: str) -> None:
    folder = folder_of(make, sort, tmp_path / "folder")
    shown, hidden = (
        write_report(folder, tmp_path / f"{texts}.html", texts=texts) for texts in (True, False)
    )
    for path in (shown, shown.with_suffix(".md")):
        assert "We left halfway" in path.read_text(encoding="utf-8")
    for path in (hidden, hidden.with_suffix(".md")):
        content = path.read_text(encoding="utf-8")
        assert "We left halfway" not in content
        assert "Worst mistakes" in content


def test_predictions_without_a_text_column(make: SimpleNamespace, tmp_path: Path) -> None:
    folder = make.fit(tmp_path / "model")
    path = folder / runs.PREDICTIONS / "test.csv"
    runs.write_csv(path, [{k: v for k, v in li.items() if k != "text"} for li in _read_csv(path)])
    page = write_report(folder).read_text(encoding="utf-8")
    assert "Worst mistakes" in page and "<blockquote" not in page


def test_tables_of_the_twin_are_tables(make: SimpleNamespace, tmp_path: Path) -> None:
    folder = make.fit(tmp_path / "model", labels=("a | b", "<script>c\nd"))
    twin = write_report(folder).with_suffix(".md").read_text(encoding="utf-8")
    rendered = MarkdownIt("commonmark").enable("table").render(twin)
    tables = re.findall(r"<table>.*?</table>", rendered, flags=re.DOTALL)
    assert len(tables) == len(re.findall(r"^\| ?:?---", twin, flags=re.MULTILINE)) >= 4
    for table in tables:
        widths = {row.count("<t") for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)}
        assert len({width - 1 for width in widths}) == 1
        assert "|" not in table.replace("a | b", "")
    assert "<script" not in rendered
    assert html.escape("<script>c d") in rendered


def test_many_classes_are_cut_and_the_count_is_said(make: SimpleNamespace, tmp_path: Path) -> None:
    page = write_report(make.study(tmp_path / "s", labels=MANY)).read_text(encoding="utf-8")
    assert "77 classes in all" in page and 'class="matrix"' not in page
    assert "The 20 most frequent of 77 labels." in page
    fit = write_report(make.fit(tmp_path / "m", labels=MANY)).read_text(encoding="utf-8")
    assert "20 of 77 classes: those with the lowest F1." in fit


def test_what_is_absent_is_left_out(make: SimpleNamespace, tmp_path: Path) -> None:
    model = make.fit(tmp_path / "model")
    (model / runs.HISTORY).unlink()
    shutil.rmtree(model / runs.PREDICTIONS)
    results = runs.read_json(model / runs.RESULTS) | {"test": None}
    runs.write_json(model / runs.RESULTS, results)
    page = write_report(model).read_text(encoding="utf-8")
    assert "validation rows" in page
    assert "Learning" not in page and "Worst mistakes" not in page


def test_a_study_that_is_not_finished(make: SimpleNamespace, tmp_path: Path) -> None:
    study = make.study(tmp_path / "study")
    (study / runs.VERDICT).unlink()
    (study / runs.CELLS / "adapted-seed4.json").unlink()
    shutil.rmtree(study / "adapted")
    page = write_report(study).read_text(encoding="utf-8")
    assert "Not finished" in page and "14 of 15 fits are done" in page
    assert "Results by arm" not in page and "Learning" in page


def test_diverged_fits_are_named_and_left_out(make: SimpleNamespace, tmp_path: Path) -> None:
    study = make.study(tmp_path / "study")
    path = study / runs.CELLS / "adapted-seed2.json"
    history = [{"epoch": 1, "train_loss": float("nan"), "valid_loss": None}]
    changed = {"diverged": True, "test": {}, "valid": {}, "history": history}
    runs.write_json(path, runs.read_json(path) | changed)
    verdict = runs.read_json(study / runs.VERDICT)
    verdict["arms"]["adapted"]["values"].pop(2)
    verdict["arms"]["adapted"]["seeds"].pop(2)
    runs.write_json(study / runs.VERDICT, verdict)
    page = write_report(study).read_text(encoding="utf-8")
    assert "Diverged: adapted with seed 2." in page
    assert "summed over 4 seeds" in page and "summed over 5 seeds" not in page
    assert slopes(page) == 4


def test_mistakes_of_the_user_are_explained(make: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="no such folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        SteepError, match=r"neither a run .*steep\.json.* nor a study .*study\.json"
    ):
        write_report(tmp_path / "empty")
    model = make.fit(tmp_path / "model")
    with pytest.raises(SteepError, match=r"ends in \.html"):
        write_report(model, tmp_path / "report.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(SteepError, match="cannot be written"):
        write_report(model, tmp_path / "file" / "report.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "model"]
    runs.write_json(model / runs.MANIFEST, {"stage": "predict", "args": {}})
    with pytest.raises(SteepError, match="'steep predict', which has no report"):
        write_report(model)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.json", "{broken", "not valid JSON"),
        ("results.json", '{"task": {}}', "'task.kind' is missing"),
        ("predictions/test.csv", "a,b\n1,2\n", "column 'row' is missing"),
        (
            "predictions/test.csv",
            "row,truth,predicted,p_x\n0,a,b,high\n",
            "must be a number from 0 to 1",
        ),
        ("predictions/test.csv", "", "not a readable CSV"),
    ],
)
def test_a_broken_file_is_named(
    make: SimpleNamespace, tmp_path: Path, name: str, content: str, message: str
) -> None:
    model = make.fit(tmp_path / "model")
    (model / name).write_text(content)
    with pytest.raises(SteepError, match=message) as caught:
        write_report(model)
    assert str(model / name) in str(caught.value)
    assert not (model / "report.html").exists()


def test_no_torch_is_imported(study: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from steep.reports.page import write_report; "
        f"write_report(Path({str(study)!r}), Path({str(tmp_path / 'r.html')!r})); "
        "print([name for name in ('torch', 'fastai', 'transformers') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
