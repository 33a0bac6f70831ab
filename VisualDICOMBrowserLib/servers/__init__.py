"""Remote servers and our own node: configuration, one driver per protocol, bulk retrieval.

- ``config``, ``registry``: what is known of a server, and the ordered list kept with the database
- ``driver``: the interface of all drivers, and `driver_for`
- ``dimse_*``: the DIMSE driver; pynetdicom negotiates, ``channel`` and ``fast_get`` move the data
- ``elements``, ``pdata``: codecs without input or output; ``channel``: the socket under them
- ``bulk_pool``, ``bulk_worker``: warm processes that fetch over several associations
- ``node*``: our own DICOM node, which offers the local database to others
- ``status``, ``faults``: status codes and failures in words

Nothing here knows the job queue or thumbnails; progress, cancel and sink come in as protocols of ``model``.
Importing this package imports neither pydicom nor pynetdicom.
"""
