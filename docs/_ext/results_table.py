"""A directive for tables of measured figures: ``benchmarks/results`` holds them, this shows them.

A file has ``date``, ``machine``, ``columns`` and ``rows``, and a ``title``.
"""

import json
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


class ResultsTable(SphinxDirective):
    """The table of the file that the argument names, with its date and its machine."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the table in Markdown, and parse it as the page's own text."""
        path = RESULTS / self.arguments[0]
        self.env.note_dependency(str(path))
        found = json.loads(path.read_text(encoding="utf-8"))
        columns = found["columns"]
        lines = [row(columns), row(["---"] * len(columns)), *map(row, found["rows"]), ""]
        lines += [f"*{found['title']} Measured on {found['date']}: {found['machine']}.*"]
        whole = nodes.container(classes=["results"])
        self.state.nested_parse(StringList(lines, str(path)), self.content_offset, whole)
        return [whole]


def row(cells: list[object]) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive; called by Sphinx."""
    app.add_directive("results-table", ResultsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
