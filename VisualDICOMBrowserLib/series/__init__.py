"""What a series consists of, told by its headers alone: slices, frames, the volumes they make, what to beware of.

Here live reading of the headers that matter, the division of a series into volumes, their geometry, the remarks
on both, and which kinds of objects are no volumes. Plugins in the host and the cards of the window (through the
engine) follow these same rules. Does not live here: pixels and nodes (`loading`), the database.
"""
