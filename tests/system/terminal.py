# SPDX-License-Identifier: MIT
"""A terminal for tests: a pseudo-terminal, and behind it a screen that knows
what a program for a VT100 may write. What it does not know is an error, so
that no byte of a name can pass for a command.
"""
import fcntl
import os
import re
import select
import struct
import termios
import time
import unicodedata

from harness import WAIT, is_true, start_helper

_SEQUENCE = re.compile(r"\x1b(?:\[([?\d;]*)([A-Za-z])|([()])([A-Z0-9])|([=>78M]))")


def _width(character):
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Screen:
    """What is to be seen after these bytes."""

    def __init__(self, rows, columns):
        self.resize(rows, columns)
        self.rest = b""

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def feed(self, data):
        data = self.rest + data
        self.rest = b""
        for cut in range(4):
            try:
                text = data[:len(data) - cut].decode()
                break
            except UnicodeDecodeError:
                continue
        self.rest = data[len(data) - cut:] if cut else b""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = _SEQUENCE.match(text, at)
                if not found and len(text) - at < 16:
                    self.rest = text[at:].encode() + self.rest
                    return
                is_true(found, "a sequence that is known", text[at:at + 20])
                at = found.end()
                if found[2]:
                    self._command(found[2], found[1])
            else:
                self._character(text[at])
                at += 1

    def _character(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row = min(self.row + 1, self.rows - 1)
        elif character == "\b":
            self.column = max(self.column - 1, 0)
        elif character not in "\0\x0e\x0f\a":
            is_true(character.isprintable(), "it is printable",
                    repr(character))
            width = _width(character)
            if self.column + width > self.columns:
                self.column = 0
                self.row = min(self.row + 1, self.rows - 1)
            self.cells[self.row][self.column] = character
            for cell in range(self.column + 1,
                              min(self.column + width, self.columns)):
                self.cells[self.row][cell] = ""
            self.column += width

    def _clear(self, row, first, last):
        for column in range(first, last):
            self.cells[row][column] = " "

    def _command(self, letter, parameters):
        if parameters.startswith("?") or letter in "mrhl":
            return
        numbers = [int(number or 0) for number in parameters.split(";")]
        count = numbers[0] or 1
        column = min(self.column, self.columns - 1)
        if letter == "H":
            self.row = min(count, self.rows) - 1
            self.column = min(max(numbers[-1], 1) if len(numbers) > 1 else 1,
                              self.columns) - 1
        elif letter == "A":
            self.row = max(self.row - count, 0)
        elif letter == "B":
            self.row = min(self.row + count, self.rows - 1)
        elif letter == "C":
            self.column = min(column + count, self.columns - 1)
        elif letter == "D":
            self.column = max(column - count, 0)
        elif letter == "K":
            first, last = [(column, self.columns), (0, column + 1),
                           (0, self.columns)][numbers[0]]
            self._clear(self.row, first, last)
        elif letter == "J":
            if numbers[0] == 2:
                first_row = 0
            else:
                is_true(numbers[0] == 0, "a known J", parameters)
                self._clear(self.row, column, self.columns)
                first_row = self.row + 1
            for row in range(first_row, self.rows):
                self._clear(row, 0, self.columns)
        else:
            is_true(False, "a command that is known", parameters + letter)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, arguments, rows=24, columns=80, environment=None):
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.screen = Screen(rows, columns)
        self._set_size(rows, columns)

        def control():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.program = start_helper(
            arguments, stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, preexec_fn=control,
            env={**os.environ, "TERM": "vt100", "LC_ALL": "C.UTF-8",
                 **(environment or {})})

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.program.poll() is None:
            self.program.kill()
            self.program.wait()
        for fd in (self.master, self.slave):
            if fd is not None:
                os.close(fd)

    def _set_size(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        """Whatever was drawn for the old size is seen no more."""
        self.read(0)
        self.screen.resize(rows, columns)
        self._set_size(rows, columns)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def read(self, timeout):
        """What has come, if it comes in that time."""
        while select.select([self.master], [], [], timeout)[0]:
            self.screen.feed(os.read(self.master, 1 << 16))
            timeout = 0

    def wait(self, condition, what, pressing=None):
        """Until condition(text of the screen), pressing a key meanwhile."""
        deadline = time.monotonic() + WAIT
        while True:
            text = "\n".join(self.screen.lines())
            found = condition(text)
            if found:
                return found
            left = deadline - time.monotonic()
            is_true(left > 0, "waited in vain until " + what, text)
            if pressing:
                self.press(pressing)
            self.read(min(left, 0.1))

    def wait_text(self, pattern, pressing=None):
        """Until it is to be seen; the match."""
        return self.wait(lambda text: re.search(pattern, text),
                         "it shows " + pattern, pressing)

    def end(self):
        """Reads to the end of the program; its exit status."""
        deadline = time.monotonic() + WAIT
        while self.program.poll() is None:
            is_true(time.monotonic() < deadline, "the program ends")
            self.read(0.02)
        self.read(0)
        return self.program.returncode

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.before


def output_of(arguments, **environment):
    """A program on a terminal to its end: (exit status, screen)."""
    with Terminal(arguments, environment=environment) as terminal:
        status = terminal.end()
        return status, "\n".join(terminal.screen.lines())
