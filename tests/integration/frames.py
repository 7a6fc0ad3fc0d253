# SPDX-License-Identifier: MIT
"""What travels on a channel, made by hand: frames as src/ipc/message.c wants them, and as it does not."""

import array
import fcntl
import os
import re
import socket
import struct

from muster import SOURCE

HEADER = (SOURCE / "src" / "ipc" / "message.h").read_text()
CODE = (SOURCE / "src" / "ipc" / "message.c").read_text()


def constant(name):
    """A number of message.h, as it is defined there."""
    text = re.search(rf"^#define {name}\s+(.*?)(?:\s*/\*.*)?$", HEADER, re.MULTILINE)[1]
    text = re.sub(r"\bMESSAGE_\w+", lambda match: str(constant(match[0])), text).replace("(size_t)", "")
    return eval(re.sub(r"(?<=\d)U\b", "", text), {"__builtins__": {}})  # pylint: disable=eval-used


VERSION = constant("MESSAGE_VERSION")
ALIGN = constant("MESSAGE_ALIGN")
DATAGRAM_MAX = constant("MESSAGE_SIZE_MAX")
DATA_MAX = constant("MESSAGE_DATA_MAX")

# {"READY": 0, …}
TYPES = {name: number for number, name in
         enumerate(re.findall(r"^ +MESSAGE_(\w+),", re.search(r"enum message_type \{(.*?)\};", HEADER, re.DOTALL)[1], re.MULTILINE))}

# Those that a child may not send
MASTERS = [name for name, senders in re.findall(r"\[MESSAGE_(\w+)\] = \{ \"[^\"]+\",\s*([\w |]+),", CODE) if senders.strip() == "SENDER_MASTER"]


def frame(kind, payload=b"", version=VERSION, size=None, padding=b"\0"):
    """One frame; every part of it may be a lie."""
    number = TYPES[kind] if isinstance(kind, str) else kind
    data = struct.pack("<HHI", version, number, len(payload) if size is None else size) + payload
    return data + padding * (-len(data) % ALIGN)


def parse(datagram):
    """[(type, payload)] of a datagram of the master."""
    found, names = [], {number: name for name, number in TYPES.items()}
    while datagram:
        _, number, size = struct.unpack_from("<HHI", datagram)
        found.append((names[number], datagram[8:8 + size]))
        datagram = datagram[8 + size + (-size % ALIGN):]
    return found


def send(sock, data, fds=(), flags=0):
    """One datagram with these descriptors."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    return sock.sendmsg([data], ancillary, flags)


# ---- Messages of the application, as src/ipc/envelope.c wants them

BROADCAST, APP, AGENT, RANDOM, PID = range(5)
ASKS, REPLY, SHARED, HANDLE = 1, 2, 4, 8


def message(target, action=b"say", data=b"", flags=0, pid=0, sender=0, role=0, number=0, error=0, size=None, action_size=None,
            room=None, end=b"\0"):
    """The frame of a message; every part of it may be a lie. With SHARED, `size` is that of the data beside it."""
    head = struct.pack("<BBBBiiIIi", target, flags, role, len(action) if action_size is None else action_size, pid, sender,
                       number, len(data) if size is None else size, error)
    text = action + b"\0"
    text += b"\0" * (-len(text) % ALIGN) if room is None else room
    return frame("APP", head + text + (b"" if flags & SHARED else data + end))


SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def memfd(size, seals=SEALS):
    """Shared memory of this size, sealed."""
    fd = os.memfd_create("data", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd
