"""Formulas as MathML, which browsers draw without a script, a font or a network."""

from html import escape
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def inline(writer: Any, node: nodes.math) -> None:
    """Write a formula within a sentence."""
    writer.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def display(writer: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own; a wide one can be scrolled."""
    writer.body.append(writer.starttag(node, "div", CLASS="math formula", tabindex="0"))
    writer.body.append(mathml(node.astext(), "block") + "</div>\n")
    raise nodes.SkipNode


def mathml(latex: str, display: str) -> str:
    """Markup of a formula, with its source as the text that stands for it."""
    source = " ".join(latex.split())
    return convert(source, display=display).replace(
        "<math ", f'<math alttext="{escape(source)}" ', 1
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer; called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
