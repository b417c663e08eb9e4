"""`phoserve up`: the whole platform on this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

import export.bundled
from cli.main import app
from phoserve.errors import ConfigurationError

BUNDLED_MODEL = Path(export.bundled.__path__[0])
DEFAULT_STATE = Path("~/.local/share/phoserve")


@app.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 selects a free one.", min=0, max=65535)] = 8000,
    state: Annotated[
        Path, typer.Option(help="Folder for documents, index and logs.", envvar="PHOSERVE_STATE")
    ] = DEFAULT_STATE,
    model: Annotated[
        list[Path],
        typer.Option(help="Model folder; the bundled encoder by default. Repeat it: the first is the default model."),
    ] = [BUNDLED_MODEL],  # noqa: B006 - typer copies it
    reranker: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a cross-encoder, made by `phoserve export --task rerank`. Repeat it for more."),
    ] = None,
    samples: Annotated[bool, typer.Option(help="Load the sample documents into an empty store.")] = True,
    llm_url: Annotated[
        str | None,
        typer.Option(
            help="OpenAI-compatible server for generated answers, such as http://127.0.0.1:11434/v1 (Ollama)."
        ),
    ] = None,
    llm_model: Annotated[str | None, typer.Option(help="Name of the model on that server.")] = None,
    llm_key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the API key, such as OPENAI_API_KEY.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Start Triton, the API, ingestion and search on this machine; stop them all with Ctrl-C."""
    import uvloop

    from cli.local import LocalOptions, run
    from cli.progress import ConsoleReporter, JsonReporter
    from phoserve.adapters.logs import configure_logs
    from phoserve.adapters.process_memory import close_memory

    close_memory()
    set_llm(llm_url, llm_model, llm_key_env)
    folder = state.expanduser().absolute()
    configure_logs(folder / "phoserve.log")
    rerankers = reranker or []
    options = LocalOptions(
        state=folder,
        model=model[0],
        reranker=rerankers[0] if rerankers else None,
        also=(*model[1:], *rerankers[1:]),
        host=host,
        port=port,
        samples=samples,
    )
    uvloop.run(run(options, JsonReporter() if json else ConsoleReporter()))


def set_llm(url: str | None, model: str | None, key_env: str | None) -> None:
    """Set the settings' variables from the options, which have precedence. Raises ConfigurationError."""
    if url is None and (model is not None or key_env is not None):
        if not os.environ.get("PHOSERVE_LLM__URL"):
            raise ConfigurationError("--llm-model and --llm-key-env need --llm-url")
    elif url is not None and model is None and not os.environ.get("PHOSERVE_LLM__MODEL"):
        raise ConfigurationError("--llm-url needs --llm-model, the name of a model on that server")
    if key_env is not None:
        if not os.environ.get(key_env):
            raise ConfigurationError(f"--llm-key-env: the variable {key_env} is not set")
        os.environ["PHOSERVE_LLM__API_KEY"] = os.environ[key_env]
    for name, value in (("URL", url), ("MODEL", model)):
        if value is not None:
            os.environ[f"PHOSERVE_LLM__{name}"] = value
