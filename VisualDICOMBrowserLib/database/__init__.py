"""The local DICOM database: a folder in the format of CTK and Slicer (schema 0.8.1), with a file of our own.

What lives here: `LocalDatabase` (one opened folder: writer, reader, own store), the rows and queries, tag
cache, displayed fields, removal, and the reading, importing and storing of DICOM files. What does not:
pictures (`thumbnails`), jobs, servers. Imports only `errors`, `model` and `settings`; no Qt, no Slicer.
Which thread may call what is said in each module.
"""
