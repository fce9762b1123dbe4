"""Runs commands with limits of time, for kit.py and dry_run.py. Standard library only."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

# Bytes of the end of an output that are kept.
KEPT = 200_000


class NoTime(Exception):
    """Too little time is left to start a command."""


class Clock:
    """Seconds until a deadline. A part of the work has its own clock within the clock of the whole."""

    def __init__(self, seconds, whole=None):
        self.start = time.monotonic()
        self.end = self.start + seconds
        if whole:
            self.end = min(self.end, whole.end)

    def elapsed(self):
        return time.monotonic() - self.start

    def left(self):
        return self.end - time.monotonic()

    def limit(self, seconds):
        """The limit of a command: at most `seconds`, and not longer than what is left."""
        limit = min(seconds, self.left() - 1)
        if limit < 1:
            raise NoTime
        return limit


def kill_group(process):
    """Kills a process and its children. A process that waits in a driver may outlive SIGKILL, so that the
    wait has a limit: True if the process ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        return False
    return True


def tail(path):
    """The end of a text file."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - KEPT))
        return file.read().decode(errors="replace")


def run(line, limit, environment=None, folder=None, observe=None):
    """Runs a command with its children in a group of its own, killed after `limit` seconds.

    `observe` is called every 0.1 s with the process; the group is killed when it returns True. Output goes to
    files, because a pipe stays open as long as any child lives. Returns `exit_code` (None if killed),
    `killed` ("at the limit", "by the observer" or None), `seconds`, `stdout` and `stderr`.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        out, err = Path(temporary, "out"), Path(temporary, "err")
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            process = subprocess.Popen(
                [str(word) for word in line],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                start_new_session=True,
            )
        killed = None
        try:
            while process.poll() is None and not killed:
                if time.monotonic() - start > limit:
                    killed = "at the limit"
                elif observe and observe(process):
                    killed = "by the observer"
                else:
                    time.sleep(0.1 if observe else 0.02)
        finally:
            ended = kill_group(process)
        if not ended:
            killed = f"{killed}, but did not end"
        return {
            "exit_code": None if killed else process.returncode,
            "killed": killed,
            "seconds": round(time.monotonic() - start, 2),
            "stdout": tail(out),
            "stderr": tail(err),
        }


def json_lines(text):
    """The JSON objects of an output, one a line. A line that was cut off is left out."""
    objects = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                objects.append(json.loads(line))
            except json.JSONDecodeError:
                pass
    return objects


def write_atomically(path, text):
    """Writes a file so that a reader sees the old or the new text, never a part of it."""
    path = Path(path)
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)
