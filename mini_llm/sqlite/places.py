"""Where a SQLite file must not lie: on a network share its locks do not hold."""

from __future__ import annotations

from pathlib import Path

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs"}


def shared_by_network(file: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the kind of network share *file* lies on, "" if on none, or if the system does not tell."""
    if file.drive.startswith("\\\\"):
        return "UNC"
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place = file.resolve().parent
    found, longest = "", 0
    for line in lines:
        _, folder, kind, *_ = f"{line}   ".split(" ")
        folder = folder.replace("\\040", " ")
        if len(folder) >= longest and (place == Path(folder) or Path(folder) in place.parents):
            found, longest = kind, len(folder)
    return found if found in NETWORK else ""
