"""Remote servers and our own node: configuration, one driver per protocol, bulk retrieval.

- ``config*``, ``registry``, ``secrets``, ``server_lists``, ``ctk_servers``: what is known of servers
- ``driver``: the interface of all drivers, and `driver_for`; ``query_limits``, ``progress``, ``faults`` serve them all
- ``upper_layer``: associations from name to socket, TLS, and the codecs without input or output
- ``dimse``, ``web``, ``folders``: the drivers
- ``bulk``: warm processes that fetch over several associations
- ``node``, ``arrivals``: our own DICOM node, and what came to it because we asked
- ``diagnosis``: what is wrong with a server, step by step

Nothing here knows the job queue or thumbnails; progress, cancel and sink come in as protocols of ``model``.
Importing this package imports neither pydicom nor pynetdicom.
"""
