"""Turns the avatar that persona.yaml names into SVG text that is safe to show.

A drawing comes from the same stranger as the pack, and ends up in the page of everybody who opens it. Shapes,
paths, gradients and text may stay; anything that can run, load or link is refused. What is not in the list
below is not a shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from guppylm.errors import Finding, nearest
from guppylm.packs.document import finding_at
from guppylm.packs.place import Place

MAX_BYTES = 64_000

_SVG = "{http://www.w3.org/2000/svg}"
_SHAPES = frozenset(
    {"svg", "g", "defs", "title", "desc", "path", "circle", "ellipse", "rect", "line", "polyline", "polygon"}
    | {"text", "tspan", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "symbol", "pattern"}
    | {"filter", "feGaussianBlur", "feOffset", "feBlend", "feMerge", "feMergeNode", "feColorMatrix"}
)
_LOADS = re.compile(r"url\(\s*['\"]?(?!#)|javascript:|data:|@import|expression\(", re.IGNORECASE)


def read_avatar(
    name: str | None, pack: str, files: Mapping[str, bytes], place: Place | None, findings: list[Finding]
) -> str:
    """Return the drawing's text, empty when there is none or a finding says what is wrong with it."""
    if name is None or place is None:
        return ""
    data = files.get(f"{pack}/{name}")
    if "/" in name or "\\" in name or name.startswith("."):
        problem = ("E113", f"{name} leads out of the pack", "put the drawing beside persona.yaml")
    elif data is None:
        drawings = [file.split("/", 1)[1] for file in files if file.startswith(f"{pack}/") and file.endswith(".svg")]
        problem = ("E113", f"there is no file {name} in the pack", nearest(name, drawings))
    elif not name.endswith(".svg"):
        problem = ("E123", f"{name} is not an SVG drawing", "save it as .svg")
    elif len(data) > MAX_BYTES:
        problem = (
            "E101",
            f"{name} has {len(data):,} bytes, and {MAX_BYTES:,} is the most",
            "simplify the drawing",
        )
    elif wrong := _unsafe(data):
        problem = ("E123", f"{name}: {wrong}", "keep to shapes, paths, gradients and text")
    else:
        return data.decode("utf-8").removeprefix("\ufeff")
    findings.append(finding_at(place, *problem))
    return ""


def _unsafe(data: bytes) -> str:
    """Return what in a drawing could do more than be looked at, or an empty string."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8 text"
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL) or "<?xml-" in text:
        return "a document type or entity"  # before any parser sees it
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError) as error:
        return f"not whole ({error})"
    if root.tag != f"{_SVG}svg":
        return "no svg element"
    for element in root.iter():
        kind = str(element.tag).removeprefix(_SVG)
        if kind not in _SHAPES:
            return f"<{kind}> is not a shape"
        for attribute, value in element.attrib.items():
            bare = attribute.rsplit("}", 1)[-1].lower()
            if bare.startswith("on") or (bare == "href" and not value.startswith("#")) or _LOADS.search(value):
                return f"{bare} can load or run something"
    return ""
