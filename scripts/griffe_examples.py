"""For mkdocs: show the section `Example:` of a docstring as code.

Griffe knows the heading `Examples:` only and takes the singular for running text, in which a printed list is a broken
link.
"""

import re
from typing import Any

import griffe

__all__ = ["SingularExamples"]


class SingularExamples(griffe.Extension):
    """Rename the section in every docstring."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
