"""The page of one patient: header, studies, and the cards of their series.

- ``states``, ``rows``, ``words``: what is shown, without Qt
- ``model``, ``pictures``, ``strips``: what the list view is given
- ``geometry``, ``paint_card``, ``paint_header``, ``delegate``: how it is painted
- ``view``, ``header``, ``page``: the widgets
- ``actions``: what the page asks of the browser
"""
