"""The engine and the ways to it: in this process, as a child process, or attached to another program's.

``engine``, ``commands``, ``kind_*``: what it does. ``client`` and ``open_engine``: how hosts use it. The wire:
``wire`` (messages), ``client_session`` and ``connection`` (both ends of it, without input or output), ``outbox``,
``process_client``, ``child``, ``socket_client``, ``server`` (pipes and sockets), ``lock``, ``address``, ``relay`` (one
engine per database folder). No Qt.
"""
