"""The steps for a server that sends by way of a proxy: does the proxy answer, and does the server send to it?

Whether the image then comes from there is the step ``retrieve``. One thread per walk; see ``diagnosis``.
"""

from __future__ import annotations

from dataclasses import replace

from VisualDICOMBrowserLib.servers.bulk.fetch import caller_for
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import Omitted, Walk
from VisualDICOMBrowserLib.servers.diagnosis.fetch import Sample
from VisualDICOMBrowserLib.servers.dimse.links import end_link, open_link
from VisualDICOMBrowserLib.servers.dimse.move import MOVE_PROPOSALS, ServerCounts, run_moves
from VisualDICOMBrowserLib.servers.dimse.move_outcome import nothing_sent
from VisualDICOMBrowserLib.servers.dimse.proxy import proxy_config, proxy_destination
from VisualDICOMBrowserLib.servers.driver import driver_for

__all__ = ["ProxySteps"]


class ProxySteps:
    """The two steps.

    Parameters
    ----------
    walk : Walk
        The walk they belong to.
    sample : Sample
        The image that is sent.
    """

    def __init__(self, walk: Walk, sample: Sample) -> None:
        self._walk = walk
        self._sample = sample
        self._proxy: ServerConfig | None = None

    def reachable(self) -> str:
        """Ask the proxy whether it answers us."""
        self._leave_out_without_retrieve()
        walk = self._walk
        proxy = self._proxy = proxy_config(walk.config, walk.services.server)
        walk.facts.proxy = str(proxy_destination(walk.config, proxy))
        driver = driver_for(proxy, walk.settings, None, walk.services)
        try:
            seconds = driver.echo(walk.control)
        finally:
            driver.close()
        return f"The proxy {proxy.name} answers in {seconds * 1000:.0f} ms."

    def known(self) -> str:
        """Let the server send one image to the proxy."""
        self._leave_out_without_retrieve()
        walk, proxy, request = self._walk, self._proxy, self._sample.request()
        if proxy is None:
            proxy = proxy_config(walk.config, walk.services.server)
        destination = proxy_destination(walk.config, proxy)
        caller = replace(caller_for(walk.config, walk.settings), key_password=walk.secrets().get("key_password", ""))
        link = open_link(walk.config, caller, MOVE_PROPOSALS, control=walk.control)
        try:
            watch = ServerCounts(request, walk.control)
            moved = run_moves(walk.config, link, request, destination, watch, walk.control)
        except BaseException as error:
            end_link(link, error)
            raise
        link.release()
        refusal = nothing_sent(walk.config, destination, moved)
        if refusal is not None:
            raise refusal
        return f'{walk.config.name} knows the proxy as "{destination.ae_title}" and sent one image there.'

    def _leave_out_without_retrieve(self) -> None:
        if not self._walk.config.retrieve_enabled:
            message = "Fetching from this server is switched off."
            raise Omitted(message)
