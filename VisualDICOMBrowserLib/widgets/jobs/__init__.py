"""The jobs: what runs, waits and failed, what can be done about it, and the line that sums it up.

- ``state``: all jobs as they stand, their speed and place in the queue; pure
- ``words``: what a job's row and details say; pure
- ``rows``: groups, filters, search and bundles; pure
- ``acts``: what can be done with jobs
- ``feed``: brings the engine's news to the views, at most ten times per second
- ``table``, ``table_model``, ``table_paint``: the list
- ``details``, ``rejected``: what came of one job, its log and its rejected files
- ``panel``: `JobsPanel`
- ``status_line``: `StatusLine`
"""
