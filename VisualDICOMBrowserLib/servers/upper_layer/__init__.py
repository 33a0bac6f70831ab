"""Associations from name to socket: connecting, TLS, negotiating, PDUs and data elements (DICOM PS3.8)."""
