"""A directive for what has changed since the last release: the fragments of ``changelog.d``."""

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FRAGMENTS = Path(__file__).parents[2] / "changelog.d"
KINDS = ("added", "changed", "fixed", "removed")


class Unreleased(SphinxDirective):
    """The fragments, one list for each kind of change."""

    def run(self) -> list[nodes.Node]:
        """Parse the fragments as the page's own text."""
        lines: list[str] = []
        for kind in KINDS:
            paths = sorted(FRAGMENTS.glob(f"+*.{kind}.md"))
            lines += [f"**{kind.capitalize()}**", ""] if paths else []
            for path in paths:
                self.env.note_dependency(str(path))
                first, *others = path.read_text(encoding="utf-8").strip().split("\n")
                lines += [f"- {first}", *(f"  {line}" for line in others)]
            lines.append("")
        whole = nodes.container()
        self.state.nested_parse(StringList(lines, str(FRAGMENTS)), self.content_offset, whole)
        return whole.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive; called by Sphinx."""
    app.add_directive("unreleased", Unreleased)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
