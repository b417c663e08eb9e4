"""Charts as tables of their data: DrawingML parts that Word, Excel and PowerPoint share."""

from typing import Final

from lxml import etree

from ingest.parsing.number_codes import VIETNAMESE, Style
from ingest.parsing.number_format import display, style_of
from ingest.parsing.opc import local_name
from phoserve.text.blocks import Place, Table

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C: Final = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_MAX_POINTS: Final = 5000

Points = dict[int, str]
"""Values as displayed, by their index."""


def chart_table(root: etree._Element, place: Place, style: Style = VIETNAMESE) -> Table | None:
    """Return the data of a chart part: a row a category, a column a series; None if it holds no data."""
    series = list(root.iter(f"{_C}ser"))
    if not series:
        return _extended_chart(root, place)
    if not style.vietnamese:  # a chart has more words than the slide it is on
        style = style_of(" ".join(node.text or "" for node in root.iter(f"{_C}v", f"{_A}t")))
    names, columns = [], []
    categories: Points = {}
    for number, one in enumerate(series, 1):
        categories = categories | {k: v for k, v in _points(one, ("cat", "xVal"), style).items() if k not in categories}
        columns.append(_points(one, ("val", "yVal"), style))
        names.append(" ".join(_texts(one.find(f"{_C}tx"))) or f"Series {number}")
    indices = sorted({index for column in columns for index in column} | categories.keys())[:_MAX_POINTS]
    if not indices:
        return None
    header = (_axis_title(root, "catAx", "dateAx"), *names)
    rows = tuple((categories.get(i, str(i + 1)), *(column.get(i, "") for column in columns)) for i in indices)
    caption = [" ".join(_texts(root.find(f"{_C}chart/{_C}title"))), _axis_title(root, "valAx")]
    return Table(header=header, rows=rows, caption=" - ".join(filter(None, caption)), place=place)


def _points(series: etree._Element, names: tuple[str, ...], style: Style) -> Points:
    for name in names:
        source = series.find(f"{_C}{name}")
        if source is not None:
            return _multi_level(source) or _single_level(source, style)
    return {}


def _single_level(source: etree._Element, style: Style) -> Points:
    points: Points = {}
    for cache in source.iter(f"{_C}numCache", f"{_C}numLit", f"{_C}strCache", f"{_C}strLit"):
        code = cache.findtext(f"{_C}formatCode") or "General"
        numeric = local_name(cache).startswith("num")
        for point in cache.iterfind(f"{_C}pt"):
            text = point.findtext(f"{_C}v") or ""
            index = point.get("idx", "")
            if index.isdecimal() and len(index) < 10:
                points[int(index)] = _shown(text, point.get("formatCode") or code, style) if numeric else text.strip()
    return points


def _multi_level(source: etree._Element) -> Points:
    """Return categories of several levels, such as year and quarter, joined outermost first."""
    levels = list(source.iter(f"{_C}lvl"))
    joined: Points = {}
    for level in levels:
        named = sorted(
            (int(p.get("idx", "0")), (p.findtext(f"{_C}v") or "").strip()) for p in level.iterfind(f"{_C}pt")
        )
        if level is levels[0]:
            joined = dict(named)
            continue
        for index in joined:
            outer = [text for at, text in named if at <= index]
            joined[index] = f"{outer[-1]} {joined[index]}" if outer else joined[index]
    return joined


def _shown(text: str, code: str, style: Style) -> str:
    try:
        return display(float(text), code, style)
    except ValueError:
        return text.strip()


def _axis_title(root: etree._Element, *axes: str) -> str:
    for axis in axes:
        for element in root.iter(f"{_C}{axis}"):
            if title := " ".join(_texts(element.find(f"{_C}title"))):
                return title
    return ""


def _texts(element: etree._Element | None) -> list[str]:
    """Return the texts under an element: of rich text, or of the cells it refers to."""
    if element is None:
        return []
    return [node.text for node in element.iter(f"{_A}t", f"{_C}v") if node.text and node.text.strip()]


def _extended_chart(root: etree._Element, place: Place) -> Table | None:
    """Return the data of a chart of Office 2016 and later, such as a waterfall."""
    labels: Points = {}
    columns: list[Points] = []
    for dimension in root.iter("{*}strDim", "{*}numDim"):
        points = {
            int(point.get("idx", "0")): (point.text or "").strip()
            for level in dimension.iterfind("{*}lvl")
            for point in level.iterfind("{*}pt")
        }
        if local_name(dimension) == "strDim":
            labels = labels or points
        else:
            columns.append({index: _shown(text, "General", VIETNAMESE) for index, text in points.items()})
    names = [" ".join(_texts(series.find("{*}tx"))) for series in root.iter("{*}series")]
    names = [name or f"Series {n}" for n, name in enumerate([*names, *[""] * len(columns)][: len(columns)], 1)]
    indices = sorted({index for column in columns for index in column} | labels.keys())[:_MAX_POINTS]
    if not indices:
        return None
    caption = " ".join(text for title in root.iter("{*}title") for text in _texts(title))
    rows = tuple((labels.get(i, str(i + 1)), *(column.get(i, "") for column in columns)) for i in indices)
    return Table(header=("", *names), rows=rows, caption=caption, place=place)
