"""How are the findings of `steep check` put into words?"""

from typing import Any


def lines(findings: dict[str, Any]) -> list[str]:
    """The findings as lines to print."""
    parts = [f"{count:,} {part}" for part, count in findings["parts"].items()]
    files = [f"{file['name']} ({file['rows']:,} rows)" for file in findings["files"]]
    text = [f"{', '.join(files)}: {', '.join(parts)}"]
    text += [f"  {note}" for note in findings["notes"] if not note.startswith("rows:")]
    text += _labels(findings["labels"])
    for unit in ("words", "tokens"):
        if unit in findings:
            text.append(_length(findings[unit], unit))
    if "vocabulary" in findings:
        text.append(_vocabulary(findings["vocabulary"]))
    for length, lost in findings.get("truncation", {}).items():
        text.append(
            f"  cut at {length:>3} tokens: {lost['texts']:.1%} of texts, {lost['tokens']:.1%} of "
            "all tokens lost"
        )
    text += [f"warning: {warning}" for warning in findings.get("warnings", [])]
    return text + _time(findings.get("time", {})) + _hopes(findings)


def _labels(counts: dict[str, dict[str, int]]) -> list[str]:
    """The label counts of the training rows, the most frequent first."""
    train = sorted(counts.get("train", {}).items(), key=lambda item: -item[1])
    shown = [f"{name} {count:,}" for name, count in train[:8]]
    more = [f"and {len(train) - 8} more"] if len(train) > 8 else []
    return [f"labels of the training rows: {', '.join(shown + more)}"] if train else []


def _length(lengths: dict[str, float], unit: str) -> str:
    unknown = f"; {lengths['unknown']:.2%} unknown" if "unknown" in lengths else ""
    return (
        f"length in {unit}: mean {lengths['mean']:g}, median {lengths['median']:g}, 95 % below "
        f"{lengths['p95']:g}, longest {lengths['longest']:,}; {lengths['total']:,} in all{unknown}"
    )


def _vocabulary(found: dict[str, float]) -> str:
    return (
        f"  vocabulary: {found['tokens_a_word']:.2f} tokens a word; {found['whole']:.0%} of the "
        f"{found['words']:,} most frequent words are one token"
    )


def _hopes(findings: dict[str, Any]) -> list[str]:
    """What is known beforehand of step 2."""
    loss = findings.get("time", {}).get("masked_loss")
    guessed = [f"masked loss of the model as it is: {loss:.3f}"] if loss is not None else []
    return guessed + ([findings["forecast"]] if "forecast" in findings else [])


def _time(times: dict[str, Any]) -> list[str]:
    if not times:
        return []
    found = [f"on this machine ({times['machine']}), by a few measured steps:"]
    for name in ("adapt", "fit"):
        if name in times:
            one = times[name]
            found.append(
                f"  {name}: {one['tokens_per_second']:,.0f} tokens/s, about "
                f"{minutes(one['seconds_per_epoch'])} a pass over the training rows"
            )
    return found


def minutes(seconds: float) -> str:
    """A duration in words: '40 s', '12 min', '3.2 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
