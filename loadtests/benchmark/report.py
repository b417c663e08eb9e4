"""A self-contained HTML report: settings, machine, tables, plots."""

from collections.abc import Mapping
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from loadtests.benchmark.results import Results

COLUMNS: Final = ("texts_per_s", "requests_per_s", "ms_p50", "ms_p95", "ms_p99", "refused", "errors", "resident_mb")
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; border-bottom: 1px solid #ddd }
td.number { text-align: right; font-variant-numeric: tabular-nums } svg { max-width: 100%; height: auto }
"""


def write_results(results: Results, folder: Path) -> list[str]:
    """Write results.json, results.csv and, if matplotlib is installed, report.html. Return the names of the files."""
    results.write(folder)
    if find_spec("matplotlib") is None:
        return ["results.json", "results.csv"]
    from loadtests.benchmark.plots import plots  # it needs the extra "loadtest"

    write_report(results, plots(results), folder / "report.html")
    return ["results.json", "results.csv", "report.html"]


def write_report(results: Results, plots: Mapping[str, str], target: Path) -> None:
    """Write the page; `plots` are SVG by title."""
    figures = "".join(f"<figure>{svg}</figure>" for svg in plots.values())
    target.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>phoserve benchmark</title>'
        f"<style>{STYLE}</style></head><body><h1>phoserve benchmark</h1><p>Started {escape(results.begun)}; "
        f"medians of the rounds.</p>{_medians(results)}{figures}<h2>Settings</h2>"
        f"{_pairs(results.settings)}<h2>Machine</h2>{_pairs(results.machine)}</body></html>",
        encoding="utf-8",
    )


def _medians(results: Results) -> str:
    head = "".join(f"<th>{name}" for name in ("suite", "workload", "contender", "clients", *COLUMNS))
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{escape(str(part))}" for part in key)
        + "".join(f'<td class="number">{_number(figures.get(name))}' for name in COLUMNS)
        for key, figures in results.medians().items()
    )
    return f"<table><tr>{head}{rows}</table>"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def _pairs(values: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}<td>{_value(value)}" for name, value in values.items())
    return f"<table>{rows}</table>"


def _value(value: Any) -> str:
    return _pairs(value) if isinstance(value, Mapping) else escape(str(value))
