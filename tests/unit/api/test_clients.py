"""Client addresses: X-Forwarded-For is believed only as far as trusted proxies wrote it."""

import pytest

from api.clients import ClientAddresses, is_loopback, network_of
from api.connections import ConnectionLimits
from api.rates import FailedKeys
from phoserve.errors import ConfigurationError, Overloaded
from phoserve.settings import HttpSettings


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "<script>", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3", "", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "::ffff:11.1.2.3", "203.0.113.9", "::ffff:11.1.2.3"),
        ("*", "203.0.113.1", "198.51.100.2", "198.51.100.2"),
        ("fd00::/8", "fd00::1", "2001:db8::5", "2001:db8::5"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(
    trusted: str, peer: str, forwarded: str, client: str
) -> None:
    scope = {"client": (peer, 1234), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert ClientAddresses(trusted).client_of(scope) == client


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("a:b", "a:b"),
    ],
)
def test_the_addresses_of_an_ipv6_network_count_together(address: str, network: str) -> None:
    assert network_of(address) == network


def test_wrong_keys_of_one_ipv6_network_are_throttled_together() -> None:
    failed, limits = FailedKeys(per_minute=5), ConnectionLimits(HttpSettings(max_connections_per_client=5))
    for number in range(5):
        failed.count(f"2001:db8::{number:x}")
        assert limits.admit(f"2001:db8::{number:x}")
    with pytest.raises(Overloaded):
        failed.check("2001:db8::ffff")
    assert not limits.admit("2001:db8::ffff")
    failed.check("2001:db8:0:1::ffff")
    limits.release("2001:db8::1")
    assert limits.admit("2001:db8::ffff")


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
