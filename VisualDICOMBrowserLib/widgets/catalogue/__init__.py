"""All patients, studies and series that are known, local and remote, in memory. Standard library only, no Qt.

- ``entries``: one object for each patient, study and series
- ``filters``: what the user restricts the view to
- ``matching``: which entries fit
- ``catalogue``: takes rows and records, answers what is shown
- ``loading``: reads the engine's overview page by page and follows what changes
"""
