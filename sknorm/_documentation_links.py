"""Links from scikit-learn's diagrams of estimators to the pages of our documentation."""

from typing import Any, ClassVar
from urllib.parse import quote

DOCUMENTATION = "https://sknorm.github.io/sknorm/stable"


class DocumentationLinks:
    """Makes a diagram link to the page of a class, and to the parameters on it.

    scikit-learn asks for these names. A subclass of a user has no page, and no link.
    """

    _page_module: ClassVar[str] = "sknorm"  # from which users import the class
    _doc_link_module = "sknorm"
    _doc_link_template = DOCUMENTATION + "/api/{module}.{name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, Any]:
        return {"module": self._page_module, "name": quote(type(self).__name__)}
