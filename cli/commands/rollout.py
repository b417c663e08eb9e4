"""`phoserve rollout`: load a new version of the model into a running server, without downtime."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from cli.main import app
from phoserve.errors import ConfigurationError


@app.command()
def rollout(
    model: Annotated[Path, typer.Argument(help="The new model's folder, made by `phoserve export`.")],
    repository: Annotated[Path, typer.Option(help="The model repository that the server reads.")],
    profile: Annotated[str, typer.Option(help="The server's --model-config-name.")] = "gpu",
    name: Annotated[
        str | None, typer.Option(help="The public model to replace [default: the one the model is served as].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Load a new version next to the old, compare its vectors, switch, unload the old; roll back if they differ.

    The server's address and secrets come from PHOSERVE_TRITON__URL, PHOSERVE_TRITON__ADMIN_SECRET and
    PHOSERVE_TRITON__API_KEY.
    """
    import tritonclient.grpc as triton

    from cli.progress import ConsoleReporter, JsonReporter, Reporter
    from cli.triton_launch import ADMIN_HEADER
    from export.repository import Profile
    from export.rollout import Rollout
    from phoserve.adapters.triton.embedder import GRPC_HEADER_PREFIX, key_headers
    from phoserve.settings import load_settings

    if profile not in get_args(Profile):
        raise ConfigurationError(f"there is no profile {profile!r}; there are {', '.join(get_args(Profile))}")
    report: Reporter = JsonReporter() if as_json else ConsoleReporter()
    settings = load_settings().triton
    secret = settings.admin_secret
    headers = {GRPC_HEADER_PREFIX + ADMIN_HEADER: secret.get_secret_value()} if secret else {}
    with triton.InferenceServerClient(settings.url) as client:
        version = Rollout(
            model,
            repository,
            cast("Profile", profile),
            client,
            name=name,
            headers=headers | key_headers(settings.key),
            say=lambda text: report.tell("step", text),
        ).run()
    report.tell("rolled_out", f"version {version} is serving", version=version)
