"""How do the results get into benchmarks/README.md? As tables made from benchmarks/results/*.json.

python -m benchmarks.page            rewrites what is between the two marks of the page
python -m benchmarks.page --check    changes nothing; fails if the page is out of date
"""

import argparse
from pathlib import Path
from typing import Any

from steep import runs

PAGE = Path(__file__).parent / "README.md"
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def tables(folder: Path) -> str:
    """A section for each results file, in the order of their names."""
    paths = [path for path in folder.glob("*.json") if not path.stem.endswith("-short")]
    paths.sort(key=lambda path: path.stem)
    found = {path.stem: runs.read_json(path) for path in paths}
    sections = [section(name, results) for name, results in found.items() if "cases" in results]
    return "\n\n".join(sections) or "No results are kept yet."


def section(name: str, results: dict[str, Any]) -> str:
    """What was measured on one machine."""
    parts = [f"### Results: {name}", _machine(results["machine"])]
    training = [(n, c) for n, c in results["cases"].items() if c["stage"] != "predict"]
    predicting = [(n, c) for n, c in results["cases"].items() if c["stage"] == "predict"]
    if training:
        parts.append(
            _table(TRAINING, [_training(*item) for case in training for item in _of(case)])
        )
    if predicting:
        rows = [_predicting(*item) for case in predicting for item in _of(case)]
        parts.append(_table(PREDICTING, rows))
    parts += [_profile(*item) for item in results.get("profiles", {}).items()]
    memory = results.get("memory", {})
    if rows := [_steps(n, m) for n, m in memory.items() if n.startswith("steps-")]:
        parts.append(_table(STEPS, rows))
    if rows := [_corpus(m) for n, m in memory.items() if n.startswith("corpus-")]:
        parts.append(_table(CORPUS, rows))
    return "\n\n".join(parts)


COMMON = ("case", "contestant", "tokens/s", "Steep is faster by", "of peak", "MB")
TRAINING = (*COMMON, "held-out loss, by seed")
PREDICTING = (*COMMON, "batch", "largest difference")
STEPS = ("training", "steps", "RSS after 500", "RSS at the end", "ratio")
CORPUS = ("text", "peak RSS", "peak RssAnon", "seconds in all", "longest phase")


def _machine(machine: dict[str, Any]) -> str:
    flags = ", ".join(machine["flags"]) or "none of AVX2, AVX-512, AMX"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    where = machine["gpu"] or machine["processor"]
    return (
        f"{where}: {machine['cores']} cores ({flags}), {machine['threads']} threads, "
        f"{machine['memory_gb']} GB. {versions}."
    )


def _of(case: tuple[str, dict[str, Any]]) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    name, found = case
    return [
        (name if number == 0 else "", who, found, line)
        for number, (who, line) in enumerate(found["contestants"].items())
    ]


def _shared(name: str, who: str, case: dict[str, Any], line: dict[str, Any]) -> list[str]:
    ratio, memory = line["steep_ratio"], line["peak_memory_mb"]
    times = f"{ratio['median']:.2f} ({ratio['least']:.2f}..{ratio['most']:.2f})"
    gpu = f" + {memory['gpu']:,.0f} GPU" if "gpu" in memory else ""
    return [
        f"`{name}`" if name else "",
        who,
        f"{line['tokens_per_second']['median']:,.0f}",
        "" if who == "steep" else times,
        f"{line['share_of_peak'][case['precision']]:.0%}",
        f"{memory['resident']:,.0f}{gpu}",
    ]


def _training(name: str, who: str, case: dict[str, Any], line: dict[str, Any]) -> list[str]:
    losses = ", ".join(f"{loss:.3f}" for loss in line["loss"])
    return [*_shared(name, who, case, line), losses]


def _predicting(name: str, who: str, case: dict[str, Any], line: dict[str, Any]) -> list[str]:
    sizes = ", ".join(map(str, line["batch_size"]))
    return [*_shared(name, who, case, line), sizes, f"{line['largest_difference']:.4f}"]


def _profile(name: str, found: dict[str, dict[str, float]]) -> str:
    kinds = dict.fromkeys(kind for times in found.values() for kind in times)
    most = sorted(kinds, key=lambda kind: -max(times.get(kind, 0) for times in found.values()))
    rows = [[kind, *(f"{times.get(kind, 0):,.1f}" for times in found.values())] for kind in most]
    return _table((f"`{name}`: milliseconds of", *found), rows)


def _steps(name: str, found: dict[str, Any]) -> list[str]:
    first, last = found["seen"][0], found["seen"][-1]
    sizes = [f"{line['rss']:,.0f} MB" for line in (first, last)]
    return [name.removeprefix("steps-"), f"{last['step']:,}", *sizes, f"{found['growth']:.3f}"]


def _corpus(found: dict[str, Any]) -> list[str]:
    longest = max(found["phases"], key=lambda phase: phase["seconds"])
    return [
        f"{found['megabytes']:,} MB",
        f"{found['peak']['rss']:,.0f} MB",
        f"{found['peak']['anonymous']:,.0f} MB",
        f"{sum(phase['seconds'] for phase in found['phases']):,.0f}",
        f"{longest['seconds']:,.0f} s, to: {longest['until']}".replace("|", "/"),
    ]


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rewritten(page: str, folder: Path) -> str:
    """The page with the current tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(folder)}\n{END}{after}"


def main() -> None:
    """Rewrite the page, or say whether that would change it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    page = PAGE.read_text(encoding="utf-8")
    made = rewritten(page, RESULTS)
    if parser.parse_args().check:
        raise SystemExit("benchmarks/README.md is out of date" if made != page else 0)
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
