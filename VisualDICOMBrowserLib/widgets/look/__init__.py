"""How everything looks: tokens of colour, the style sheet, icons, and small widgets that the views share.

- ``tokens``: the colours of the light, dark and high contrast look
- ``theme``: applies one of them to a widget, follows the application's palette
- ``icons``: line icons drawn in any colour at any pixel density
- ``parts`` and ``note_bar``: buttons, labelled fields, pills, segmented switches, the notification bar
- ``paint``: what delegates draw with
- ``visualdicombrowser.qss``: the style sheet, with ``@tokens``
"""
