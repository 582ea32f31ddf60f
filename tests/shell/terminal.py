"""A program at a terminal of its own, and the screen it draws: what a person would see.

The screen knows the sequences that the shell promises to need, and fails on any other.
"""
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
import unicodedata

SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")
WAIT_SECONDS = float(os.environ.get("TERMINAL_WAIT_SECONDS", "30"))


class Screen:
    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines = [[]]  # All there ever was; the last `rows` are on the screen.
        self.row = self.column = 0
        self.rest = ""
        self.colours = set()

    def feed(self, text):
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            character = text[at]
            if character == "\x1b":
                match = SEQUENCE.match(text, at)
                if match is None:
                    assert len(text) - at < 12, f"what is {text[at:at + 12]!r}?"
                    self.rest = text[at:]
                    return
                self.sequence(*match.groups())
                at = match.end()
                continue
            at += 1
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self.next_row()
            elif character == "\b":
                self.column = max(self.column - 1, 0)
            elif character != "\a":
                self.put(character)

    def put(self, character):
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self.column + width > self.columns:  # The last column waits for the next character.
            self.column = 0
            self.next_row()
        line = self.lines[self.row]
        line.extend(" " * (self.column - len(line)))
        line[self.column:self.column + width] = [character] + [""] * (width - 1)
        self.column += width

    def next_row(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def sequence(self, private, numbers, letter):
        count = int(numbers.split(";")[0] or 0) if numbers else 0
        if letter == "m":
            self.colours.add(numbers)
        elif letter == "A":
            top = max(len(self.lines) - self.rows, 0)
            self.row = max(self.row - max(count, 1), top)
        elif letter == "C":
            self.column = min(self.column + max(count, 1), self.columns - 1)
        elif letter == "K" and count == 0:
            del self.lines[self.row][self.column:]
        elif letter == "J" and count == 0:
            del self.lines[self.row][self.column:]
            del self.lines[self.row + 1:]
        else:
            assert private and numbers == "2004", f"what is ESC [ {private}{numbers}{letter}?"

    def text(self):
        return "\n".join("".join(line) for line in self.lines)


class Terminal:
    def __init__(self, command, environment, rows=24, columns=80):
        self.screen = Screen(rows, columns)
        self.process, self.descriptor = pty.fork()
        if self.process == 0:
            os.environ.update(environment)
            os.execvp(command[0], command)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.descriptor, text.encode())

    def read(self, seconds):
        """Takes what comes within so long; False: the program ended."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:
            data = b""
        self.screen.feed(data.decode("utf-8", "replace"))
        return data != b""

    def wait(self, what):
        """Until the screen matches the expression; fails after a time that no machine needs."""
        end = time.monotonic() + WAIT_SECONDS
        while re.search(what, self.screen.text(), re.M) is None:
            assert time.monotonic() < end, f"waited for {what!r}, the screen is\n{self.screen.text()}"
            assert self.read(0.2), f"ended before {what!r}, the screen is\n{self.screen.text()}"
        return self.screen.text()

    def type(self, text, what):
        self.send(text)
        return self.wait(what)

    def end(self):
        """Reads to the end; the exit status."""
        while self.read(WAIT_SECONDS):
            pass
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
