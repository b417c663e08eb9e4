"""Plots of a benchmark's medians, as SVG."""

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.benchmark.processor import CORE_MS, UNUSED
from loadtests.benchmark.results import Key, Results

Medians = Mapping[Key, Mapping[str, float]]
RANKS: Final = ("ms_p50", "ms_p95", "ms_p99")
SWEPT: Final = {"tokens", "passages", "indexed", "share_of_peak"}
"""Figures with their own axis, on which all measurements are drawn."""


def plots(results: Results) -> dict[str, str]:
    """Draw the plots that the results allow. Return SVG by title."""
    medians = results.medians()
    drawn = {}
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "phoserve"}):
        for title, axes in _draw(medians):
            axes.set_title(title)
            drawn[title] = _svg(axes)
    return drawn


def _draw(medians: Medians) -> Iterator[tuple[str, Axes]]:
    closed = {key: figures for key, figures in medians.items() if not SWEPT & figures.keys()}
    for workload in dict.fromkeys(key[1] for key in closed):
        here = {key: figures for key, figures in closed.items() if key[1] == workload}
        yield f"Throughput, {workload}", _rates(here)
        timed = {key: figures for key, figures in here.items() if "ms_p95" in figures}
        if timed:
            yield f"Latency percentiles, {workload}", _percentiles(timed)
        if len({key[3] for key in timed}) > 1:
            yield f"Throughput against latency, {workload}", _against(timed)
        if spent := {key: each for key, each in here.items() if UNUSED in each}:
            yield f"CPU time by part, {workload}", _spent(spent)
    if lengths := _having("tokens", medians):
        yield "Throughput by text length", _lengths(lengths)
    if sizes := _having("passages", medians):
        yield "Search latency by size of the collection", _sizes(sizes)
    if offered := _having("share_of_peak", medians):
        yield "Overload: goodput and latency", _overload(list(offered.values()))


def _having(name: str, medians: Medians) -> Medians:
    return {key: figures for key, figures in medians.items() if name in figures}


def _rates(medians: Medians) -> Axes:
    axes = _bars(len(medians))
    labels = [_label(key) for key in medians]
    drawn = axes.barh(labels, [figures["texts_per_s"] for figures in medians.values()], color="#3b6ea5")
    axes.bar_label(drawn, fmt="%.1f", padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("texts/s")
    return axes


def _percentiles(medians: Medians) -> Axes:
    axes = _bars(len(medians))
    labels = [_label(key) for key in medians]
    for rank, marker in zip(RANKS, "o|x", strict=True):
        axes.plot([figures[rank] for figures in medians.values()], labels, marker, label=rank.removeprefix("ms_"))
    axes.invert_yaxis()
    axes.set(xlabel="ms", xscale="log")
    axes.legend()
    return axes


def _against(medians: Medians) -> Axes:
    axes = _axes()
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (_, _, contender, clients), figures in medians.items():
        point = figures["texts_per_s"], figures["ms_p95"]
        lines[contender].append(point)
        axes.annotate(str(clients), point, xytext=(4, 4), textcoords="offset points", fontsize=8)
    for contender, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=contender)
    axes.set(xlabel="texts/s (points: concurrent clients)", ylabel="p95, ms", yscale="log")
    axes.legend()
    return axes


def _spent(medians: Medians) -> Axes:
    axes = _bars(len(medians))
    labels = [_label(key) for key in medians]
    left = [0.0] * len(labels)
    parts = dict.fromkeys(name for each in medians.values() for name in each if name.startswith(CORE_MS))
    for part in sorted(parts, key=UNUSED.__eq__):  # the unused time is last
        widths = [figures.get(part, 0.0) for figures in medians.values()]
        color = "lightgrey" if part == UNUSED else None
        axes.barh(labels, widths, left=left, color=color, label=part.removeprefix(CORE_MS))
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("CPU ms per text")
    axes.figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return axes


def _lengths(medians: Medians) -> Axes:
    axes = _plot_sweep(medians, "tokens", "texts_per_s")
    axes.set(xlabel="tokens per text", ylabel="texts/s", yscale="log")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    return axes


def _sizes(medians: Medians) -> Axes:
    axes = _plot_sweep(medians, "passages", "ms_p50")
    axes.set(xlabel="passages", ylabel="ms, median", xscale="log", yscale="log")
    return axes


def _plot_sweep(medians: Medians, across: str, up: str) -> Axes:
    """Draw a line for each contender."""
    axes = _axes()
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (_, _, contender, _), figures in medians.items():
        lines[contender].append((figures[across], figures[up]))
    for contender, points in lines.items():
        axes.plot(*zip(*sorted(points), strict=True), marker="o", label=contender)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return axes


def _overload(offered: list[Mapping[str, float]]) -> Axes:
    axes = _axes()
    shares = [figures["share_of_peak"] for figures in offered]
    axes.plot(shares, [figures["requests_per_s"] for figures in offered], marker="o", label="successful requests, 1/s")
    axes.plot(shares, [figures["offered_per_s"] for figures in offered], "--", color="grey", label="offered, 1/s")
    axes.set(xlabel="offered load / peak of the closed loop", ylabel="requests/s", ylim=(0, None))
    times = axes.twinx()
    for name, label in (("ms_p95", "p95 of 200, ms"), ("refused_ms_p95", "p95 of 429, ms")):
        points = [(share, each[name]) for share, each in zip(shares, offered, strict=True) if name in each]
        if points:
            times.plot(*zip(*points, strict=True), ":", marker="x", label=label)
    times.set(ylabel="ms", yscale="log")
    axes.figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return axes


def _label(key: Key) -> str:
    _, _, contender, clients = key
    return f"{contender}, {clients} client{'s' if clients > 1 else ''}" if clients else contender


def _axes(height: float = 4.0) -> Axes:
    return Figure(figsize=(8, height), layout="constrained").add_subplot()


def _bars(count: int) -> Axes:
    return _axes(1.4 + 0.35 * count)


def _svg(axes: Axes) -> str:
    buffer = io.StringIO()
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 - made by _axes
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
