"""How does a report come into being? Read a folder, tell its story, write HTML and Markdown."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from steep import runs
from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, FitArgs
from steep.errors import SteepError
from steep.outputs import adding, writing_file
from steep.places import Kind, find_place, is_page
from steep.reports.blocks import Block, Facts, Notes, Page, Section, present
from steep.reports.folder import (
    RunFolder,
    StagePage,
    StudyFolder,
    check_classified,
    read_folder,
    stage_page,
)
from steep.reports.reproduce import commands_again
from steep.reports.run_page import adapt_page, classifier_page
from steep.reports.study_page import study_page
from steep.run_shapes import ADAPT_RESULTS, EVALUATE_RESULTS, FIT_RESULTS
from steep.run_tables import data_tables, parts_in_words
from steep.wording import counted, duration, inline, verbatim

KINDS: tuple[Kind, Kind] = ("HTML", "Markdown")  # of a report and its twin
STAGES = {
    "adapt": StagePage(AdaptArgs, adapt_page, ADAPT_RESULTS),
    "fit": StagePage(FitArgs, classifier_page, FIT_RESULTS, check_classified),
    "evaluate": StagePage(EvaluateArgs, classifier_page, EVALUATE_RESULTS, check_classified),
    "compare": StagePage(CompareArgs, study_page),
}
NO_PAGES: Mapping[str, StagePage] = MappingProxyType({})
Panel = Callable[[RunFolder | StudyFolder, bool], Section | None]


def write_report(
    folder: str | Path,
    out: str | Path | None = None,
    texts: bool = True,
    pages: Mapping[str, StagePage] = NO_PAGES,
    panels: Sequence[Panel] = (),
    overwrite: bool = False,
) -> Path:
    """Write the report of a run or study folder; returns the path of the HTML page.

    The page goes to `out` (default: report.html in the folder), its Markdown twin beside it with
    the ending .md. A report that is there is replaced in the folder, elsewhere with `overwrite`;
    any other file is not. Without `texts`, no text of the data appears in either. The same folder
    gives the same bytes. `pages` are those of further stages, by name, or replace those of STAGES;
    `panels` make further sections, or None, of the folder and `texts`. Raises SteepError if the
    folder is neither a run with a page nor a study, if one of its files is broken, or if `out` does
    not end in .html or cannot be written.
    """
    folder = Path(folder)
    target = Path(out) if out else folder / runs.REPORT
    if target.suffix != ".html":
        raise SteepError(f"{target}: a report needs a file name that ends in .html.")
    stages = {**STAGES, **pages}
    found = read_folder(folder, stages)
    within = folder if os.path.realpath(target.parent) == os.path.realpath(folder) else None
    _check_places(target, overwrite or within is not None)
    stage = stage_page(found.manifest, stages)
    sections = present(*(panel(found, texts) for panel in panels))
    made = with_background(stage.page(found, texts), found, stage.options, sections)
    contents = [_rendered(made, f"page.{kind}.j2") for kind in ("html", "md")]
    _write(contents, target, within, overwrite)
    return target


def _check_places(target: Path, replaced: bool) -> None:
    """Raises SteepError if the page or its twin may not be written, or is no report."""
    for path, kind in zip((target, target.with_suffix(".md")), KINDS, strict=True):
        find_place(path, kind, replaced)
        if path.is_file() and (path.name == runs.CARD or not is_page(path)):
            raise SteepError(
                f"{path} is no report of Steep, so none replaces it. Move it away, or choose "
                "another --out."
            )


def _write(contents: list[str], target: Path, within: Path | None, overwrite: bool) -> None:
    """Write the page and its twin, `within` the folder that they are about or elsewhere."""
    places = (target, target.with_suffix(".md"))
    with ExitStack() as opened:
        if within is not None:
            aside = opened.enter_context(adding(within))
            paths = [aside / path.name for path in places]
        else:
            files = zip(places, KINDS, strict=True)
            paths = [opened.enter_context(writing_file(p, k, overwrite)) for p, k in files]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content, encoding="utf-8", newline="\n")


def _rendered(page: Page, template: str) -> str:
    """The page in a template of `steep/reports/templates`."""
    return _environment().get_template(template).render(page=page).rstrip() + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("steep.reports"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(inline=inline, verbatim=verbatim)
    return environment


def with_background(
    page: Page, found: RunFolder | StudyFolder, options: type[Any], panels: Sequence[Section]
) -> Page:
    """The page of a stage with further sections, and with what every page has around it.

    `options` is the composition of the stage's options.
    """
    manifest = found.manifest
    stage = manifest.get("command", manifest["stage"])
    seeds = counted(len(found.seeds), "seed") if len(found.seeds) > 1 else ""
    origin = (f"steep {stage}", found.name, seeds, duration(manifest.get("seconds")))
    return replace(
        page,
        title=f"{found.name}: steep {stage}",
        origin=" · ".join(part for part in origin if part),
        sections=[*page.sections, *panels, _data(found), _reproduction(found, options)],
        footer=f"Written by steep {manifest.get('versions', {}).get('steep', '')}".strip(),
    )


def _data(found: RunFolder | StudyFolder) -> Section:
    """Files, parts and labels, and everything that was dropped, truncated or found twice."""
    data = found.manifest.get("data", {})
    blocks: list[Block] = list(data_tables(data))
    if found.notes:
        blocks.append(Notes("Notes of the run", list(dict.fromkeys(found.notes))))
    return Section("Data", blocks, parts_in_words(data))


def _reproduction(found: RunFolder | StudyFolder, options: type[Any]) -> Section:
    """The command, the seeds, the machine and the versions."""
    manifest, seeds = found.manifest, found.seeds
    facts = [
        ("seeds" if len(seeds) > 1 else "seed", ", ".join(map(str, seeds))),
        ("checkpoint", manifest.get("base")),
        ("machine", manifest.get("machine")),
        ("device", manifest.get("device")),
        ("precision", manifest.get("precision")),
        ("started", manifest.get("started")),
        ("duration", duration(manifest["seconds"]) if "seconds" in manifest else None),
        *manifest.get("versions", {}).items(),
    ]
    known = Facts([(name, str(value)) for name, value in facts if value])
    again = commands_again(manifest, options, f"{found.name}/", found.model, found.sources)
    return Section("How to reproduce", [*again, known])
