"""Filtering what is here, asking servers, and what each of them said.

- ``search_bar``: the fields, the servers to ask, and the one button that asks them
- ``source_chips``: one chip for each source below it, with what it answered
- ``search_run``: carries a query out and takes the answers into the catalogue
- ``worklist``: the list of scheduled procedures
"""
