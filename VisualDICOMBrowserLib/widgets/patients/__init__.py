"""Patients as a list, as tabs, and as a popup to search in.

- ``columns``: what the columns of the list say; no Qt
- ``column_store``: which columns the user wants, kept with the database
- ``patient_model``, ``patient_paint``, ``patient_table``: the list
- ``header_menu``: show, hide, rename and reset columns
- ``patient_tabs``: the row of open patients
- ``patient_picker``: the searchable popup
"""
