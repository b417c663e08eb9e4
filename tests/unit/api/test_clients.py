"""Client addresses: X-Forwarded-For is believed only as far as trusted proxies wrote it."""

import pytest

from api.clients import ClientAddresses, is_loopback
from phoserve.errors import ConfigurationError


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "<script>", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3", "", "10.1.2.3"),
        ("*", "203.0.113.1", "198.51.100.2", "198.51.100.2"),
        ("fd00::/8", "fd00::1", "2001:db8::5", "2001:db8::5"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(
    trusted: str, peer: str, forwarded: str, client: str
) -> None:
    scope = {"client": (peer, 1234), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert ClientAddresses(trusted).client_of(scope) == client


def test_a_wrong_network_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        ClientAddresses("10.0.0.0/99")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.1.2.3", True), ("[::1]", True), ("app.localhost", True),
     ("localhost.evil.example", False), ("192.0.2.1", False), ("", False)],
)  # fmt: skip
def test_loopback_names(name: str, expected: bool) -> None:
    assert is_loopback(name) is expected
