"""The engine and the ways to it: in this process, as a child process, or attached to another program's.

What it does: ``engine``, ``assembly``, ``parts`` (what it is made of), ``desk`` and ``commands*``, ``kind_*`` (jobs),
``retrieve_*``, ``sources``, ``gates`` (one retrieve from many servers), ``search*``, ``merged`` (one search over many),
``schedule``, ``planning``, ``watching``, ``prefetch``, ``notifications``, ``listening``.
How hosts use it: ``client``, ``open_engine``, ``session``. The wire: ``wire`` (messages), ``client_session`` and
``connection`` (both ends of it, without input or output), ``outbox``, ``process_client``, ``child``, ``socket_client``,
``server`` (pipes and sockets), ``lock``, ``address``, ``relay`` (one engine per database folder). No Qt.
"""
