"""Which client sent a request: the address behind trusted proxies."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from phoserve.errors import ConfigurationError

ANY: Final = "*"
UNKNOWN: Final = "unknown"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddresses:
    """Reads client addresses; X-Forwarded-For counts only as far as trusted proxies wrote it."""

    def __init__(self, trusted_proxies: str = "") -> None:
        """Trust the addresses and networks in `trusted_proxies`, separated by commas. Raises ConfigurationError."""
        names = [each.strip() for each in trusted_proxies.split(",") if each.strip()]
        self._trusts_any = ANY in names
        try:
            self._networks: list[Network] = [ipaddress.ip_network(each, strict=False) for each in names if each != ANY]
        except ValueError as error:
            raise ConfigurationError(f"PHOSERVE_HTTP__TRUSTED_PROXIES: {error}") from None

    def is_trusted(self, address: str) -> bool:
        """Return whether `address` is a proxy whose headers are believed."""
        if self._trusts_any:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped  # a socket for both versions shows IPv4 clients so
        return any(parsed in network for network in self._networks)

    def client_of(self, scope: Mapping[str, Any]) -> str:
        """Return the client's address: the last one in X-Forwarded-For that no trusted proxy has, else the peer's."""
        peer = scope.get("client")
        address: str = peer[0] if peer else UNKNOWN
        if not self.is_trusted(address):
            return address
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = [hop.strip() for hop in b",".join(forwarded).decode("latin-1").split(",") if hop.strip()]
        for hop in reversed(hops):
            if not _is_address(hop):
                break
            address = hop
            if not self.is_trusted(hop):
                break
        return address


def network_of(address: str) -> str:
    """Return what the limits of a client count by: an IPv4 address, or the /64 network of an IPv6 address.

    A client with IPv6 has all addresses of such a network (RFC 4291, section 2.5.1).
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


def is_loopback(name: str) -> bool:
    """Return whether the host name or address `name` can only mean this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
