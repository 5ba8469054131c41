"""What do reports show of the shelf? Its options, the pages of its stages, and its panels."""

from dataclasses import replace
from pathlib import Path

from steep.openings import AdaptCommand, CompareCommand, EvaluateCommand, FitCommand
from steep.reports.page import STAGES, write_report
from steep.shelf.ablation.paper_section import paper_section
from steep.shelf.bias.bias_page import BIAS_PAGE, panel
from steep.shelf.explain.explained_page import EXPLAIN_PAGE
from steep.shelf.self_training import SelfTrainCommand
from steep.shelf.summarize.page import PAGES as SUMMARIES

COMMANDS = {
    "adapt": AdaptCommand,
    "compare": CompareCommand,
    "evaluate": EvaluateCommand,
    "fit": FitCommand,
}


def write(folder: Path, out: Path | None, texts: bool, overwrite: bool) -> Path:
    """The report of a run or study, with all that the shelf adds; its path.

    Arguments and errors as in `steep.reports.page.write_report`.
    """
    pages = {name: replace(STAGES[name], options=kind) for name, kind in COMMANDS.items()}
    pages |= {"bias": BIAS_PAGE, "explain": EXPLAIN_PAGE, **SUMMARIES}
    pages["self-train"] = replace(STAGES["fit"], options=SelfTrainCommand)
    return write_report(folder, out, texts, pages, [panel(folder), paper_section], overwrite)
