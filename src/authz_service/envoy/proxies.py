"""Who stands between the callers and us, such as a balancer, and how he says where they call from. Not who calls."""

from dataclasses import dataclass
from ipaddress import ip_network

from authz_service.config.model import Config
from authz_service.envoy.messages import Json, Message, extension

HANDSHAKE = "5s"

# The connection's own address, whatever a caller forwards.
_CONNECTION: Message = {"use_remote_address": True}


@dataclass(frozen=True, slots=True)
class Proxies:
    """How requests find out where they came from: `believed` on connections that `match`, `ignored` on all others."""

    ignored: Message
    believed: Message
    match: Message  # empty: every connection
    of_listener: Message


def proxies_before_us(config: Config) -> Proxies:
    """Connections of `http.trusted_proxies` are told apart by their address, so that nobody else's word is looked at.

    With the PROXY protocol there are no others: a stranger could begin with such a line, too.
    """
    networks = [_cidr(text) for text in config.http.trusted_proxies]
    if not networks:
        return Proxies(_CONNECTION, {}, {}, {})
    if config.http.proxy_protocol:
        told = extension(
            "envoy.filters.listener.proxy_protocol", "extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
        )
        of_listener: Message = {"listener_filters": [told], "listener_filters_timeout": HANDSHAKE}
        return Proxies(_CONNECTION, {}, {"direct_source_prefix_ranges": networks}, of_listener)
    forwarded = extension(
        "envoy.http.original_ip_detection.xff",
        "extensions.http.original_ip_detection.xff.v3.XffConfig",
        xff_trusted_cidrs={"cidrs": networks},
        skip_xff_append=False,
    )
    believed: Message = {"use_remote_address": False, "original_ip_detection_extensions": [forwarded]}
    return Proxies(_CONNECTION, believed, {"source_prefix_ranges": networks}, {})


def _cidr(text: str) -> Json:
    network = ip_network(text)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
