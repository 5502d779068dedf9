"""Routes in the words of `ip route`: numbers mean something only to the kernel.

Source: ip-route(8); linux/rtnetlink.h.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.kernel.links import Route

_KINDS = {2: "local", 3: "broadcast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
_PROTOCOLS = {1: "redirect", 2: "kernel", 4: "static", 9: "ra", 16: "dhcp", 12: "bird", 11: "zebra"}
_SCOPES = {200: "site", 253: "link", 254: "host", 255: "nowhere"}
_FLAGS = {1: "dead", 4: "onlink", 16: "linkdown"}


def kind(route: Route) -> str:
    """Return `blackhole`, `unreachable`, `prohibit`, ...; empty for an ordinary route."""
    return _KINDS.get(route.kind, "")


def is_dead(route: Route) -> bool:
    """Whether the link of the route is down, so that the kernel passes it over."""
    return bool(route.flags & 1)


def spell(route: Route, names: dict[int, str]) -> str:
    """Write a route as `ip route` does; `names` are those of the links by index."""
    to = route.destination if route.prefix else "default"
    words = (
        kind(route),
        f"{to}/{route.prefix}" if 0 < route.prefix < 32 else to,
        f"via {route.gateway}" if route.gateway else "",
        f"dev {names.get(route.ifindex, route.ifindex)}" if route.ifindex else "",
        f"proto {_PROTOCOLS[route.protocol]}" if route.protocol in _PROTOCOLS else "",
        f"scope {_SCOPES[route.scope]}" if route.scope in _SCOPES else "",
        f"src {route.source}" if route.source else "",
        f"metric {route.metric}" if route.metric else "",
        *(name for bit, name in _FLAGS.items() if route.flags & bit),
    )
    return " ".join(filter(None, words))
