"""Pictures of series: which image is shown, how its values become grey or colour, and where the PNG lies.

`maker.ThumbnailMaker` is the way in for the engine. Below it, from file to picture: ``image_file`` (header
and place of the pixels), ``fragments`` and ``frames`` (one decoded frame), ``windowing`` and ``colour``
(8-bit picture), ``scaling`` and ``png``; ``segmentation``, ``dose`` and ``structures`` draw over the image
they refer to. Imports numpy and pydicom, so only the engine process (or first use) imports from here.
Knows nothing of jobs and servers.
"""
