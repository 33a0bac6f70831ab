"""DIMSE as a user of services: C-ECHO, C-FIND, C-GET, C-MOVE, C-STORE, worklist; `driver` puts them together."""
