"""A private PostgreSQL cluster for tests: its own folder, a free loopback port, one user and one database."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.support.processes import ServerProcess, free_port

USER = DATABASE = "orthanc"
_UNPRIVILEGED = ("postgres", "nobody")


class Postgres:
    """One cluster with password sign-in.

    PostgreSQL refuses to run as root, so it is then run as the user ``postgres`` or ``nobody``, in a folder of the
    system's temporary folder since that user cannot enter those of pytest.

    Parameters
    ----------
    password : str
        Of the user ``orthanc``, who owns the database ``orthanc``.
    """

    def __init__(self, password: str) -> None:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="vdb-postgres-"))
        self._user = _other_user()
        self._password = password
        self.port = free_port()
        self._process: ServerProcess | None = None

    def start(self) -> None:
        """Make the cluster, start it, and make user and database."""
        self._folder.chmod(0o755)
        data, secret = self._folder / "data", self._folder / "password"
        secret.write_text(self._password + "\n")
        if self._user is not None:
            os.chown(self._folder, *self._user)
            os.chown(secret, *self._user)
        self._run("initdb", "-D", str(data), "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8",
                  "--locale=C", "--no-sync")  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "",
            "fsync": "off", "shared_buffers": "16MB", "max_connections": "30",
        }  # fmt: skip
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = self._folder / "log"
        log.mkdir()
        command = [*self._as_user(), str(self._programs / "postgres"), "-D", str(data), *arguments]
        # Replaces itself by the server, so that the process that is stopped is the server.
        self._process = ServerProcess(command, ports=[self.port], folder=log)
        self._process.start()
        self._wait_until_ready()
        self._run("createdb", *self._address(), "-O", USER, DATABASE)

    def stop(self) -> None:
        """End it and remove its folder."""
        if self._process is not None:
            self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def rows(self, sql: str) -> str:
        """Answer of the database to a query, as plain text."""
        return self._run("psql", *self._address(), "-At", "-c", sql, DATABASE).strip()

    def _address(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]

    def _wait_until_ready(self) -> None:
        """It listens before it answers; asking waits for it."""
        for _ in range(100):
            if subprocess.run([str(self._programs / "pg_isready"), *self._address(), "-t", "1"], check=False,
                              stdout=subprocess.DEVNULL).returncode == 0:  # fmt: skip
                return
        assert self._process is not None
        pytest.fail(f"PostgreSQL does not answer: {self._process.output()}")

    def _as_user(self) -> list[str]:
        if self._user is None:
            return []
        user, group = self._user
        return ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [*self._as_user(), str(self._programs / program), *arguments],
            cwd=self._folder, env={**os.environ, "PGPASSWORD": self._password, "LC_ALL": "C"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout


def _programs() -> Path:
    """Folder of PostgreSQL's programs; Debian keeps those of the server out of the search path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _version(path.parent.name))
    found = [folder for folder in folders if (folder / "postgres").exists()]
    if not found and (path := shutil.which("postgres")):
        found = [Path(path).parent]
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    return found[-1]


def _version(name: str) -> int:
    return int(name) if name.isdigit() else 0


def _other_user() -> tuple[int, int] | None:
    """Number and group of whom to run it as; None where we are not root."""
    geteuid: Callable[[], int] | None = getattr(os, "geteuid", None)
    if geteuid is None or geteuid() != 0:
        return None
    import pwd

    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    pytest.skip("there is no user as whom PostgreSQL could run")
