"""What a wrong name probably meant, for the way out of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint: the near match if there is one, then what is available (at most 20 names).

    >>> did_you_mean("lable", ["label", "f0"])
    'did you mean "label"? Available: label, f0'
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    question = f'did you mean "{near[0]}"? ' if near else ""
    return f"{question}Available: {listing(names)}"


def listing(names: Iterable[str], limit: int = 20) -> str:
    """The names as text, cut after `limit`.

    >>> listing("abc", limit=2)
    'a, b and 1 more'
    """
    all_names = list(names)
    rest = len(all_names) - limit
    text = ", ".join(all_names[:limit]) or "nothing"
    return f"{text} and {rest} more" if rest > 0 else text
