from typer.testing import CliRunner

from api.keys import FixedKeys, Role, parse_keys
from cli.main import app


def test_the_secret_opens_what_the_entry_allows() -> None:
    done = CliRunner().invoke(app, ["key", "intranet", "--role", "writer", "-c", "kb", "-c", "hr"])
    assert done.exit_code == 0, done.output
    secret = done.stderr.rsplit(" ", 1)[1].strip()
    assert secret not in done.stdout
    principal = FixedKeys(parse_keys(f"[{done.stdout}]".encode(), "the test")).principal(secret)
    assert principal is not None
    assert (principal.id, principal.role) == ("intranet", Role.WRITER)
    assert principal.may_touch("hr")
    assert not principal.may_touch("board")


def test_without_collections_it_may_touch_all() -> None:
    done = CliRunner().invoke(app, ["key", "all"])
    assert parse_keys(f"[{done.stdout}]".encode(), "the test")[0].collections == ("*",)
