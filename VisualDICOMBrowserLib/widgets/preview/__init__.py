"""One series large, over the page, to look through its slices before it is loaded.

- ``slice_feed``: asks the engine for slices, at its pace
- ``picture``: the picture with what is written on it, under mouse and wheel
- ``preview_popup``: `PreviewPopup`
"""
