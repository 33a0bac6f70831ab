"""The DICOMweb driver: QIDO-RS, WADO-RS, STOW-RS over HTTP, sign-in; and Orthanc's own REST interface."""
