"""Our own DICOM node: listener, query and retrieve for others; and the HTTP end point for servers' scripts."""
