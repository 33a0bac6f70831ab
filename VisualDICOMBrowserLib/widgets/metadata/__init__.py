"""All attributes of a series, or of two side by side.

- ``tree``: two headers merged into one tree, searched and filtered; pure
- ``words``: names of groups, what servers told, texts to copy; pure
- ``model``, ``paint``, ``table``: the tree as a list that unfolds
- ``side``: one series with its slider and picture
- ``metadata_window``: `MetadataWindow`
"""
