"""The servers window: the list, a form for every setting, the connection test, and our own listener.

- ``fields``, ``field_table``: what a form shows, as data; no Qt
- ``drafts``, ``server_words``: what can be saved, and how servers and test steps read; no Qt
- ``editors``, ``special_editors``, ``server_form``: the form
- ``server_list``: the list, its order and check marks
- ``connection_test``, ``advice_box``, ``acts``: the steps of a test, what they mean, and buttons that do what to do
- ``sign_in``: signing in with a code
- ``this_computer``: our AE title, port and listener
- ``window``: all of it
"""
