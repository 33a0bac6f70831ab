"""Everything of the Visual DICOM Browser but the scripted module, importable without Slicer.

Folders, from the bottom up; each may import only what stands before it (a test holds this rule):

- ``errors``, ``model``, ``settings``: failures, records and settings that every layer passes on
- ``database``: the local DICOM database in CTK's format
- ``jobs``, ``servers``, ``thumbnails``: queue, network and pictures, which do not know each other
- ``engine``: puts the former together, in process or as a child process
- ``loading``: DICOM plugins and MRML nodes (``slicer`` and ``vtk`` begin here)
- ``widgets``: Qt
- ``desktop``, ``cli``: hosts that put things together

Nothing is imported here, so that importing one part never pays for another.
"""

__version__ = "0.1.0"
