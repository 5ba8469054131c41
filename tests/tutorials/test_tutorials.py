"""Do the tutorials run, and are their outputs those of a run of what is written?"""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from scripts.run_tutorials import FOLDER, executed, sources_of
from scripts.tutorial_files import FILES

PATHS = sorted(FOLDER.glob("*.ipynb"))
LOCAL = re.compile(r"/(?:home|root|tmp|usr|work|Users)/|[A-Z]:\\\\|shared/data")
RESIDUE = re.compile(r"\r|\x1b|it/s|█|<progress")
MOST_CELLS, MOST_BYTES, MOST_LINES, WORDS = 25, 100_000, 20, 6
SHORT = {"STEPS": 4, "EPOCHS": 1}
SIZES: dict[str, dict[str, Any]] = {  # as small as claims of the notebooks allow
    "01_step_two": SHORT | {"LABELS": 60, "TEST": 200, "SEEDS": 2},
    "02_fastai": {"LABELS": 64, "MAX_LENGTH": 24, "CURVE": 20},
    "03_toxic_comments": SHORT | {"TRAIN_ROWS": 200, "TEST_ROWS": 300, "MAX_LENGTH": 16},
    "04_few_labels": SHORT | {"BUDGETS": [20, 40], "TEST": 200, "PILE": 100, "CONFIDENCE": 0.5},
    "05_summaries": {"COUNT": 20, "EPOCHS": 1, "WINDOW": 64},
}
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@each
def test_outputs_are_those_of_the_sources(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) <= MOST_CELLS
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert notebook.metadata["steep"]["sources"] == sources_of(notebook), "run `make tutorials`"
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in code) == 1
    for cell in code:
        for output in cell.outputs:
            content = json.dumps(output, ensure_ascii=False)
            assert output.output_type != "error" and len(content) <= MOST_BYTES
            shown = output.get("text") or output.get("data", {}).get("text/plain", "")
            assert shown.strip() and shown.count("\n") <= MOST_LINES, cell.source
            assert not LOCAL.search(content) and not RESIDUE.search(shown), cell.source


@pytest.mark.parametrize("name", FILES)
def test_outputs_hold_no_text_of_the_data(name: str, shared_data: Path) -> None:
    texts = "\n".join(FILES[name](shared_data).values())
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [one.get("text") or one.get("data", {}).get("text/plain", "") for one in outputs]
    for line in "\n".join(shown).splitlines():
        words = line.split()
        runs = [" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)]
        assert not [run for run in runs if run in texts], line


@each
@pytest.mark.usefixtures("minilm")
def test_it_runs(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if path.stem in FILES:
        request.getfixturevalue("shared_data")
    executed(path, tmp_path, SIZES[path.stem])
