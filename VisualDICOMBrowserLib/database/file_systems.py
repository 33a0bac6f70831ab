"""Whether a folder lies on a network, where SQLite's WAL mode is not safe.

WAL shares memory between the processes that have a database open, which several computers cannot
(sqlite.org/wal.html). Linux reads the mount table, Windows the kind of drive, macOS the output of ``mount``;
where nothing is known the folder counts as local. Pure look-ups, any thread.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["is_on_network", "network_mounts"]

_NETWORK = re.compile(
    r"nfs\d*|cifs|smb\w*|afs|afpfs|ncpfs|9p|ceph|lustre|gpfs|beegfs|glusterfs|webdav|davfs|virtiofs"
    r"|fuse\.(sshfs|glusterfs|ceph\w*|rclone|s3fs|davfs2?|gvfsd-fuse|mfs)"
)
_MAC_LINE = re.compile(r".+? on (?P<folder>.+) \((?P<kind>\w+)")
_WINDOWS_REMOTE_DRIVE = 4  # DRIVE_REMOTE of GetDriveTypeW


def is_on_network(folder: Path) -> bool:
    """True if `folder` is known to lie on a file system that other computers may share."""
    resolved = os.path.realpath(folder)
    if sys.platform == "win32":
        return _is_remote_drive(resolved)
    kinds = network_mounts(_mount_table())
    return kinds.get(_mount_point_of(resolved, kinds), False)


def network_mounts(table: str) -> dict[str, bool]:
    """Mount points of a mount table (``/proc/mounts`` or macOS ``mount``), each with whether it is a network's."""
    mounts = {}
    for line in table.splitlines():
        mac = _MAC_LINE.match(line)
        if mac:
            folder, kind = mac["folder"], mac["kind"]
        else:
            fields = line.split(" ")
            if len(fields) < 3:
                continue
            folder, kind = fields[1].replace("\\040", " "), fields[2]
        mounts[folder] = bool(_NETWORK.fullmatch(kind))
    return mounts


def _mount_point_of(path: str, mounts: dict[str, bool]) -> str:
    inside = [mount for mount in mounts if path == mount or path.startswith(mount.rstrip("/") + "/")]
    return max(inside, key=len, default="")


def _mount_table() -> str:
    try:
        if sys.platform == "darwin":
            return subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False).stdout
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, subprocess.SubprocessError):
        return ""


def _is_remote_drive(path: str) -> bool:
    if path.startswith("\\\\"):
        return True
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  (absent from the type stubs elsewhere)
    return bool(kernel.GetDriveTypeW(os.path.splitdrive(path)[0] + "\\") == _WINDOWS_REMOTE_DRIVE)
