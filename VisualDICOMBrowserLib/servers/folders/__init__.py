"""A folder as a server, and the storage folder of a server on a disk that we reach."""
