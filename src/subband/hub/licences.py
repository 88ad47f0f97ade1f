"""The Hub's words for licences."""

from __future__ import annotations

import re

__all__ = ["licence_fields"]

# Of the Hub's list, what people give to weights; anything else is `other` with its name beside it.
KNOWN = re.compile(
    r"apache-2\.0|artistic-2\.0|bigscience-openrail-m|bsd|bsd-[23]-clause|bsl-1\.0|cc|cc0-1\.0|cc-by-(2\.0|2\.5|[34]\.0)|"
    r"cc-by-(sa|nd)-[34]\.0|cc-by-nc-[234]\.0|cc-by-nc-(nd|sa)-[34]\.0|ecl-2\.0|epl-[12]\.0|eupl-1\.[12]|a?gpl-3\.0|gpl|gpl-2\.0|"
    r"isc|lgpl|lgpl-(2\.1|3\.0)|mit|mpl-2\.0|ncsa|odbl|openrail|osl-3\.0|pddl|unknown|unlicense|wtfpl|zlib"
)


def licence_fields(licence: str) -> dict[str, str]:
    """The entries of a model card's front matter for a licence.

    Args:
        licence: Its short name, such as `apache-2.0`, or any other name.

    Raises:
        ValueError: If it is empty.

    Example:
        >>> licence_fields("Apache-2.0"), licence_fields("Our Lab's Terms")
        ({'license': 'apache-2.0'}, {'license': 'other', 'license_name': 'our-lab-s-terms'})
    """
    short = re.sub(r"[^a-z0-9.+]+", "-", licence.strip().lower()).strip("-")
    if not short:
        raise ValueError(f"a licence must have a name, got {licence!r}.")
    return {"license": short} if KNOWN.fullmatch(short) else {"license": "other", "license_name": short}
