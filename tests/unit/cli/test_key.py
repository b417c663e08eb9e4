import pytest
from typer.testing import CliRunner

from api.keys import FixedKeys, Role, new_key, parse_keys
from cli.main import app
from phoserve.documents.access import READERS, UNRESTRICTED, Audience
from phoserve.errors import ConfigurationError, InvalidInput


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


def test_groups_are_sorted_and_checked() -> None:
    done = CliRunner().invoke(app, ["key", "hr", "-g", "nhân sự", "-g", "kế toán", "-g", "nhân sự"])
    [entry] = parse_keys(f"[{done.stdout}]".encode(), "the test")
    assert entry.groups == ("kế toán", "nhân sự")
    assert FixedKeys((entry,))._keys[0][1].audience == Audience(frozenset({"kế toán", "nhân sự"}))
    refused = CliRunner().invoke(app, ["key", "hr", "-g", "a,b"])
    assert isinstance(refused.exception, InvalidInput)
    with pytest.raises(ConfigurationError, match="without commas"):
        parse_keys(f'[{{"id": "a", "sha256": "{"0" * 64}", "groups": ["a,b"]}}]'.encode(), "the test")


def test_administrators_see_all_and_keys_without_groups_see_open_documents() -> None:
    admin, reader = (new_key("k", role)[1] for role in (Role.ADMIN, Role.READER))
    keys = [principal for _, principal in FixedKeys((admin, reader))._keys]
    assert [each.audience for each in keys] == [UNRESTRICTED, READERS]
