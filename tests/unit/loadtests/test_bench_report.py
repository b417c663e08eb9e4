"""The page of a benchmark: complete in itself, and only of what was measured."""

from pathlib import Path

from loadtests.benchmark.report import write_results
from loadtests.benchmark.results import Measurement, Results


def results() -> Results:
    timed = {"texts_per_s": 50.0, "ms_p50": 20.0, "ms_p95": 30.0, "ms_p99": 40.0}
    spent = {"core_ms_server": 12.0, "core_ms_unused": 3.0}
    offered = {"texts_per_s": 90.0, "requests_per_s": 90.0, "ms_p95": 80.0}
    found = Results({"model": "<a & b>"}, machine={"versions": {"numpy": "1"}})
    found.measurements = [
        Measurement("embedding", "phoserve int8", "query", clients, 0, timed | spent | {"texts_per_s": 50.0 + clients})
        for clients in (1, 8)
    ]
    for tokens in (8, 16):
        figures = timed | spent | {"tokens": tokens}
        found.measurements.append(Measurement("embedding", "phoserve int8", f"{tokens} tokens", 8, 0, figures))
        figures = {"ms_p50": 2.0, "passages": 1000 * tokens}
        found.measurements.append(Measurement("scaling", "dense", f"{tokens},000 passages", 1, 0, figures))
    for share in (1.0, 2.0):
        figures = offered | {"share_of_peak": share, "offered_per_s": 90 * share}
        found.measurements.append(Measurement("overload", "open loop", f"{share:g} x the peak", 0, 0, figures))
    return found


def test_the_page_has_every_figure_and_refers_to_nothing_outside(tmp_path: Path) -> None:
    assert write_results(results(), tmp_path) == ["results.json", "results.csv", "report.html"]
    page = (tmp_path / "report.html").read_text()
    assert "&lt;a &amp; b&gt;" in page
    assert "<a & b>" not in page
    assert (
        page.count("<svg") == 7
    )  # of queries rates, percentiles, rates against latency and processor time; lengths, sizes, overload
    assert "2 x the peak" in page
    assert 'src="' not in page
    assert 'href="http' not in page
    assert (tmp_path / "results.csv").read_text().count("\n") == 9


def test_the_same_results_draw_the_same_page(tmp_path: Path) -> None:
    found = results()
    pages = []
    for name in ("a", "b"):
        write_results(found, tmp_path / name)
        pages.append((tmp_path / name / "report.html").read_bytes())
    assert pages[0] == pages[1]
