"""The browser itself: puts the views together and carries out what the user asks for.

- ``browser``: the widget that hosts show; events of the engine go from here to the views
- ``toolbar``, ``selection_bar``, ``arranging``: rows of buttons, and what stands where at which width
- ``actions``, ``menus``, ``deleting``, ``dropping``: what can be done with patients, studies and series
"""
