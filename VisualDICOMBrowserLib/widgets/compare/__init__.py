"""Patients that may be mistaken for each other, side by side: why there is a doubt, and a window that shows both.

Here: what contradicts what, from the catalogue and from headers. Does not live here: who is one patient, which is
``catalogue``, and comparing two series, which is ``metadata``.
"""
