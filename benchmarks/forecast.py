"""How often is the forecast right of a study that it has not seen? Each data set is left out once.

    python -m benchmarks.forecast [--evidence FILE_OR_STUDY ...]

prints the table of docs/advice.md. "likely" says that step 2 gains: right where it did. "unlikely"
says that it gains less than a point: right where it did. "unknown" says nothing. A study has a gain
that is itself uncertain, so the last column says whether its whole interval is on the right side.
All studies of a data set, which is what a name has before its first comma, are left out together.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steep.study.evidence import Finding, known
from steep.study.forecast import WORTH, Answer, forecast
from steep.wording import number

HEAD = (
    "| left out | labels | own head | forecast by the others | its gain (95 %) | right? | surely? |"
)


def table(findings: Sequence[Finding]) -> str:
    """The table, and what it comes to, in Markdown."""
    answers = [left_out(finding, findings) for finding in findings]
    rows = [_row(*both) for both in zip(findings, answers, strict=True)]
    blind = [left_out(f, _headless(findings)) for f in _headless(findings)]
    return "\n".join(
        [HEAD, "|---|---|---|---|---|---|---|", *rows, "", _summary(findings, answers, blind)]
    )


def left_out(finding: Finding, findings: Sequence[Finding]) -> Answer:
    """What is forecast of a study by those of all other data sets."""
    others = [other for other in findings if _data_set(other) != _data_set(finding)]
    return forecast(finding.labels, finding.own_head, others).answer


def right(answer: Answer, gain: float) -> bool:
    """Whether what `answer` says is true of a gain in points."""
    return gain > 0 if answer == "likely" else gain < WORTH


def _surely(answer: Answer, finding: Finding) -> str:
    """Whether it is true, or false, of the whole interval."""
    ends = {right(answer, finding.low), right(answer, finding.high)}
    return "cannot tell" if len(ends) > 1 else "yes" if ends == {True} else "no"


def _row(finding: Finding, answer: Answer) -> str:
    ends = " to ".join(number(end, 1, sign=True) for end in (finding.low, finding.high))
    gain = f"{number(finding.gain, 1, sign=True)} ({ends})"
    said = ("–", "–")
    if answer != "unknown":
        said = ("yes" if right(answer, finding.gain) else "no", _surely(answer, finding))
    head = "yes" if finding.own_head else "no"
    cells = (finding.name, f"{finding.labels:,}", head, answer, gain, *said)
    return f"| {' | '.join(cells)} |"


def _summary(
    findings: Sequence[Finding], answers: Sequence[Answer], blind: Sequence[Answer]
) -> str:
    """How often it spoke, and was right; beside the rule that knows nothing."""
    always = sum(right("unlikely", finding.gain) for finding in findings)
    heads = sum(finding.own_head for finding in findings)
    return (
        f'{_counted(findings, answers)} Always saying "unlikely" is right of {always} of '
        f"{len(findings)}. Checkpoints with a masked-LM head of their own: {heads} of "
        f"{len(findings)} studies. Without asking for the head: {_counted(findings, blind)}"
    )


def _counted(findings: Sequence[Finding], answers: Sequence[Answer]) -> str:
    spoken = [(a, f.gain) for a, f in zip(answers, findings, strict=True) if a != "unknown"]
    good = sum(right(answer, gain) for answer, gain in spoken)
    return f"Of {len(findings)} studies {len(spoken)} got an answer, {good} of them the right one."


def _headless(findings: Sequence[Finding]) -> list[Finding]:
    """The same, as if all checkpoints were of one kind."""
    return [replace(finding, own_head=False) for finding in findings]


def _data_set(finding: Finding) -> str:
    return finding.name.partition(",")[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--evidence", type=Path, nargs="*", default=[], metavar="FILE_OR_STUDY")
    print(table(known(parser.parse_args().evidence)))
