"""Does any text survive the way into Markdown and back?"""

import html
import re

import pytest
from markdown_it import MarkdownIt

from steep.reports.markdown import inline, verbatim

TEXTS = [
    "a | b",
    "back\\slash, \\| and \\\\| both",
    "<script>alert(1)</script>",
    "&amp; stays &lt;b&gt;",
    "*stars* __lines__ `ticks` ~~no~~",
    "[link](http://example.org) ![image](x)",
    "1. first",
    "12) twelfth",
    "- dash",
    "--- ruler",
    "# heading",
    "> quote",
    "0.722",
    "+0.029",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_the_same_in_prose_lists_and_tables(text: str) -> None:
    render = MarkdownIt("commonmark").enable("table").render
    cell = render(f"| a | b |\n| --- | --- |\n| {inline(text)} | end |\n")
    found = re.findall(r"<td>(.*?)</td>", cell)
    assert [html.unescape(value) for value in found] == [text, "end"]
    assert html.unescape(render(inline(text)).strip()) == f"<p>{text}</p>"
    item = html.unescape(render(f"- {inline(text)}")).strip()
    assert item == f"<ul>\n<li>{text}</li>\n</ul>"


def test_line_breaks_become_spaces() -> None:
    assert inline("one\n\ttwo\r\nthree") == "one two three"


def test_plain_numbers_and_words_stay_readable() -> None:
    assert inline("0.722, −0.02 and well-known") == "0.722, −0.02 and well-known"


def test_code_is_fenced_by_more_backticks_than_it_holds() -> None:
    rendered = MarkdownIt("commonmark").render(verbatim("steep fit 'a```b'"))
    assert (
        html.unescape(rendered)
        == "<pre><code class=\"language-sh\">steep fit 'a```b'\n</code></pre>\n"
    )
