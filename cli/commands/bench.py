"""`phoserve bench`: benchmarks of the platform, in `loadtests/`, which is not installed."""

import runpy
import sys
from importlib.util import find_spec
from typing import Final

import typer

from cli.main import app
from phoserve.errors import ConfigurationError

BENCHMARK: Final = "loadtests.benchmark"


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Measure the throughput of this platform with plots. Needs a checkout and the extra `loadtest`."""
    if find_spec("loadtests") is None:
        raise ConfigurationError("`phoserve bench` needs a checkout of the project: run it from there")
    sys.argv = ["phoserve bench", *context.args]
    runpy.run_module(BENCHMARK, run_name="__main__", alter_sys=False)
