"""Keys, roles, rates: who gets in, where, and how often."""

import hashlib
import json
import os
import re
from pathlib import Path

import msgspec
import pytest

from api.composition import load_key_ring
from api.keys import AnonymousAccess, ApiKey, FixedKeys, KeyFile, Role, check_bind, new_key, parse_keys
from api.rates import ConcurrentRequests, MemoryRates
from phoserve.errors import ConfigurationError, Overloaded
from phoserve.settings import KeySettings


def write(path: Path, *keys: object) -> None:
    path.write_text(json.dumps([{"id": k.id, "sha256": k.sha256, "role": k.role} for k in keys]))  # type: ignore[attr-defined]


def test_a_key_is_known_by_its_hash_alone() -> None:
    secret, entry = new_key("app", Role.WRITER, ("kb",))
    keys = FixedKeys((entry,))
    principal = keys.principal(secret)
    assert principal is not None
    assert (principal.id, principal.role) == ("app", Role.WRITER)
    assert principal.may_touch("kb")
    assert not principal.may_touch("board")
    assert keys.principal(secret + "x") is None
    assert keys.principal(None) is None
    assert keys.principal(entry.sha256) is None


def test_a_changed_file_counts_and_a_broken_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.keys.LOOK_AGAIN_S", 0.0)
    path = tmp_path / "keys.json"
    (old, old_entry), (new, new_entry) = new_key("old", Role.READER), new_key("new", Role.ADMIN)
    write(path, old_entry)
    keys = KeyFile(path)
    assert keys.principal(old)
    write(path, new_entry)
    os.utime(path, ns=(1, 1))
    assert keys.principal(old) is None
    assert keys.principal(new)
    path.write_text("[")
    assert keys.principal(new)


EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"{}",
        b'[{"id": "a", "sha256": "00"}]',
        b'[{"id": "a"}]',
        b"\xff",
        b"[" * 100_000,
        b'[{"id": "a", "sha256": "%s"}]' % (b"\xd9\xa1" * 64),
        b'[{"id": "a", "sha256": "%s"}]' % EMPTY.encode(),
    ],
)
def test_a_file_that_holds_no_keys_is_refused(source: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse_keys(source, "keys.json")


@pytest.mark.parametrize(
    ("host", "is_fine"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("192.0.2.1", False), ("h", False)]
)
def test_without_keys_only_loopback(host: str, is_fine: bool) -> None:
    if is_fine:
        check_bind(host, AnonymousAccess())
    else:
        with pytest.raises(ConfigurationError, match="PHOSERVE_KEYS__FILE"):
            check_bind(host, AnonymousAccess())
    check_bind(host, FixedKeys((new_key("a", Role.ADMIN)[1],)))


async def test_a_burst_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    rates = MemoryRates(per_s=2.0, burst=3)
    for _ in range(3):
        await rates.take("a")
    with pytest.raises(Overloaded) as refused:
        await rates.take("a")
    assert refused.value.retry_after_s == pytest.approx(0.5)
    await rates.take("b")
    now[0] += 0.5
    await rates.take("a")
    with pytest.raises(Overloaded):
        await rates.take("a")


def test_so_many_at_once_and_no_more() -> None:
    at_once = ConcurrentRequests(1)
    at_once.enter("a")
    with pytest.raises(Overloaded):
        at_once.enter("a")
    at_once.leave("a")
    at_once.enter("a")


def test_an_empty_list_admits_nobody_and_a_missing_file_raises_the_alarm(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret, entry = new_key("app", Role.READER)
    path.write_bytes(msgspec.json.encode([entry]))
    keys = KeyFile(path)
    assert keys.principal(secret) is not None
    path.write_text("[]")
    keys._look_at = 0.0
    assert keys.principal(secret) is None
    assert keys.is_readable
    path.unlink()
    keys._look_at = 0.0
    assert keys.principal(secret) is None
    assert not keys.is_readable
    path.write_bytes(msgspec.json.encode([entry]))
    keys._look_at = 0.0
    assert keys.principal(secret) is not None
    assert keys.is_readable


@pytest.mark.parametrize("made", ["missing", "folder", "pipe", "closed folder"])
def test_a_key_file_that_is_none_is_a_configuration_error(tmp_path: Path, made: str) -> None:
    path = tmp_path / "keys.json"
    if made == "folder":
        path.mkdir()
    elif made == "pipe":
        os.mkfifo(path)
    elif made == "closed folder":
        path = tmp_path / "keys.json" / "keys.json"
        path.parent.write_text("[]")
    with pytest.raises(ConfigurationError, match=re.escape(str(path))):
        KeyFile(path)


def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.keys.LOOK_AGAIN_S", 0.0)
    path, other = tmp_path / "keys.json", tmp_path / "other.json"
    (old, old_entry), (new, new_entry) = new_key("old", Role.READER), new_key("new", Role.READER)
    write(path, old_entry)
    write(other, new_entry)
    for each in (path, other):
        os.utime(each, ns=(1, 1))
    keys = KeyFile(path)
    other.rename(path)
    assert keys.principal(old) is None
    assert keys.principal(new)


@pytest.mark.parametrize("settings", [{"inline": ""}, {"inline": " "}, {"file": ""}])
def test_an_empty_setting_of_keys_does_not_open_the_server(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        load_key_ring(KeySettings.model_validate(settings))


def test_no_key_is_no_key() -> None:
    keys = FixedKeys((ApiKey(id="a", sha256=EMPTY),))
    assert keys.principal(None) is None
    assert keys.principal("") is None
