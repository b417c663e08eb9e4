"""`phoserve up`: the whole platform on this machine."""

from pathlib import Path
from typing import Annotated

import typer

import export.bundled
from cli.main import app

BUNDLED_MODEL = Path(export.bundled.__path__[0])
DEFAULT_STATE = Path("~/.local/share/phoserve")


@app.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    state: Annotated[
        Path, typer.Option(help="Folder for documents, index and logs.", envvar="PHOSERVE_STATE")
    ] = DEFAULT_STATE,
    model: Annotated[Path, typer.Option(help="Model folder; the bundled encoder by default.")] = BUNDLED_MODEL,
    reranker: Annotated[
        Path | None,
        typer.Option(help="Folder of a cross-encoder, made by `phoserve export --task rerank`; none by default."),
    ] = None,
    samples: Annotated[bool, typer.Option(help="Load the sample documents into an empty store.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Start Triton, the API, ingestion and search on this machine; stop them all with Ctrl-C."""
    import uvloop

    from cli.local import LocalOptions, run
    from cli.progress import ConsoleReporter, JsonReporter
    from phoserve.adapters.logs import configure_logs

    folder = state.expanduser().absolute()
    configure_logs(folder / "phoserve.log")
    options = LocalOptions(state=folder, model=model, reranker=reranker, host=host, port=port, samples=samples)
    uvloop.run(run(options, JsonReporter() if json else ConsoleReporter()))
