"""Pushes the private memory of a process out to swap, and prints how many kB of it are there then.

    page_out.py PID
"""

import ctypes
import re
import sys

PIDFD_OPEN, PROCESS_MADVISE, MADV_PAGEOUT = 434, 440, 21


class Range(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
process = libc.syscall(PIDFD_OPEN, pid, 0)
if process < 0:
    sys.exit(f"pidfd_open: {ctypes.get_errno()}")
with open(f"/proc/{pid}/maps") as maps:
    for line in maps:
        first, last, rights, name = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
        if rights[1] == "w" and rights[3] == "p" and not name.startswith("[v"):
            start = int(first, 16)
            part = Range(start, int(last, 16) - start)
            libc.syscall(PROCESS_MADVISE, process, ctypes.byref(part), 1, MADV_PAGEOUT, 0)
with open(f"/proc/{pid}/status") as status:
    print(re.search(r"VmSwap:\s+(\d+)", status.read()).group(1))
