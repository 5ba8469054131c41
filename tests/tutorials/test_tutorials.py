"""Do the tutorials run, and are their outputs those of a run of what is written?"""

import json
import re
from pathlib import Path

import nbformat
import pytest

from scripts.run_tutorials import FOLDER, executed, sources_of

PATHS = sorted(FOLDER.glob("*.ipynb"))
LOCAL = re.compile(r"/(?:home|root|tmp|usr|work|Users)/|[A-Z]:\\\\")
RESIDUE = re.compile(r"\r|it/s|█|<progress")
MOST_CELLS, MOST_BYTES, MOST_LINES = 25, 100_000, 20
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
            assert shown.count("\n") <= MOST_LINES, cell.source
            assert not LOCAL.search(content) and not RESIDUE.search(shown), cell.source


@each
@pytest.mark.usefixtures("minilm")
def test_it_runs(path: Path, tmp_path: Path) -> None:
    executed(path, tmp_path)
