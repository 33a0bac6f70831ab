"""Settings in one place, and what is shown while there is nothing to show yet.

- ``settings_window``: the window; its pages are ``page_database``, ``page_fetching``, ``page_listener``, ``page_look``
- ``fields``: rows of a page that are made from the table of settings
- ``first_start``: where images are to be kept
- ``empty_state``: a title, a sentence and the next step, in the middle of an empty view
- ``databases``, ``appearance``, ``sample``: folders of databases, look and style sheet, images to try with
"""
