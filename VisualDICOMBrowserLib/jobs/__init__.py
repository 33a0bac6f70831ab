"""The job queue: what is to be done, in which order, how far it is, and what came of it.

``states`` (the table of moves), ``job`` (records and protocols), ``limits`` (who may start next), ``waiting`` (who is
tried again when), ``retry`` (what is tried again), ``actions`` (what a person may ask), ``news`` (how often listeners
hear), ``control`` (how running work is told to end), ``journal`` (what survives), ``queue`` (threads over all of
these). Knows neither servers nor thumbnails: work comes in as job kinds.
"""
