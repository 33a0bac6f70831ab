"""Remote servers and our own node: configuration, one driver per protocol, bulk retrieval.

- ``config*``, ``registry``, ``secrets``, ``server_lists``, ``ctk_servers``: what is known of servers
- ``driver``: the interface of all drivers, and `driver_for`
- ``dimse_*``, ``association*``, ``connecting``, ``tls``, ``links``: the DIMSE driver; pynetdicom's codec negotiates,
  ``channel``, ``fast_get``, ``move_*`` and ``sending`` move the data
- ``web_*``, ``multipart``: the DICOMweb driver
- ``folder_*``, ``storage_folder``: a folder as a server, and the storage of one on a disk that we reach
- ``orthanc_*``, ``notifier``: Orthanc's REST interface, and what servers' scripts post to us
- ``elements``, ``pdata``, ``negotiation``: codecs without input or output
- ``bulk_*``: warm processes that fetch over several associations
- ``node*``, ``listener_rules``, ``arrivals``: our own DICOM node, and what came to it because we asked
- ``diagnosis*``, ``probes``: what is wrong with a server, step by step
- ``status``, ``faults``: status codes and failures in words

Nothing here knows the job queue or thumbnails; progress, cancel and sink come in as protocols of ``model``.
Importing this package imports neither pydicom nor pynetdicom.
"""
