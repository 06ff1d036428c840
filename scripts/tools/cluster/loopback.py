"""Loopback is asked directly, whatever proxy the environment names."""

import errno
import ipaddress
import socket
import urllib.parse
import urllib.request
from collections.abc import Mapping

from scripts.tools.console import ToolError

HOST = "127.0.0.1"
_NAMES = ("localhost", HOST, "::1")
_VARIABLES = ("no_proxy", "NO_PROXY")
JVM_OPTIONS = (
    "-Djava.net.useSystemProxies=false",
    "-Dhttp.nonProxyHosts=localhost|127.*|[::1]",  # for https too
    "-DsocksNonProxyHosts=localhost|127.*|[::1]",
)


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep children off the proxy for loopback; for others it stays.

    gRPC between a TaskManager and its Python workers goes through `http_proxy` as well.
    """
    names = [*_VARIABLES, *(["no_grpc_proxy"] if "no_grpc_proxy" in environment else [])]
    given = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    return {
        name: ",".join(filter(None, (environment.get(name) or given, *_NAMES))) for name in names
    }


def opener(url: str, *handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Return what opens `url`: past every proxy where that is loopback.

    Parameters
    ----------
    handlers
        What else it is to do.
    """
    host = urllib.parse.urlsplit(url).hostname or ""
    direct = urllib.request.ProxyHandler({})
    return urllib.request.build_opener(*([direct] if is_loopback(host) else []), *handlers)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its loopback interface."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_free(port: int) -> bool:
    """Return whether nobody listens at a port.

    Raises
    ------
    ToolError
        If there is no such interface.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                message = f"{HOST}: expected a loopback interface of IPv4, got none; bring it up:"
                raise ToolError(f"{message} ip address add 127.0.0.1/8 dev lo") from None
            return False
    return True
