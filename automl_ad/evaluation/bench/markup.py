"""HTML and SVG from nested calls, in which every text is escaped unless it is markup already."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is safe inside a page: made here, or escaped."""

    __slots__ = ()


Attribute = str | float | None


def element(tag: str, *children: str, **attributes: Attribute) -> Markup:
    """One element; a trailing underscore of an attribute is dropped, others become hyphens, None is left out.

    >>> element("th", "a < b", scope="row", class_="best")
    '<th scope="row" class="best">a &lt; b</th>'
    >>> element("text", element("tspan", "x"), stroke_width=1.50, dy=None)
    '<text stroke-width="1.5"><tspan>x</tspan></text>'
    """
    opened = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{opened}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Markup:
    """The children one after another, escaped unless they are markup."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children))


def _attribute(value: str | float) -> str:
    """A number with at most one decimal: places in a drawing need no more."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
