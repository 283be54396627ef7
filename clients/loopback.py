"""This module is a network of loopback alone, for the process and all that it starts.

It is a Linux network namespace, which ``unshare`` of util-linux makes; some systems do not have it or do not allow it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

_MARK = "CCPROXY_CLIENTS_SEPARATED"
_SET_INTERFACE_FLAGS = 0x8914  # SIOCSIFFLAGS of <linux/sockios.h>
_UP_AND_RUNNING = 0x41  # IFF_UP and IFF_RUNNING of <linux/if.h>


def separated() -> bool:
    """Whether this process is inside already."""
    return _MARK in os.environ


def enter() -> None:
    """Start this program anew inside; return only where that is impossible."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return
    wrapped = (unshare, "--map-root-user", "--net", "--")
    if subprocess.run((*wrapped, "true"), check=False, capture_output=True).returncode == 0:  # noqa: S603 - no input
        sys.stdout.flush()
        os.execve(unshare, (*wrapped, sys.executable, *sys.argv), {**os.environ, _MARK: "1"})  # noqa: S606 - no shell


def raise_loopback() -> None:
    """Switch the loopback interface on, which in a new namespace is off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_INTERFACE_FLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))
