"""Types into a program as a person at a terminal does, and reads what is on the screen.

Arguments: what to try. The program `muster` is on the path, and `MUSTER_DATA_FOR_TESTS` names the host's directory.
"""

import os
import pty
import re
import select
import sys
import time

PATIENCE = 30
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(muster completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit && compinit -u -D && source <(muster completion zsh)"),
    "fish": (["fish", "--no-config", "--interactive"], "muster completion fish | source"),
}


class Terminal:
    def __init__(self, program):
        self.screen = ""
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ["TERM"] = "xterm"
            os.environ["MUSTER_DATA"] = os.environ["MUSTER_DATA_FOR_TESTS"]
            os.execvp(program[0], program)

    def read(self, until):
        """Reads until the text is on the screen; gives what was new, without its colours and movements."""
        end, new = time.monotonic() + PATIENCE, ""
        while until not in new:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                raise SystemExit(f"{until!r} is not in {new!r}")
            try:
                part = os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:
                part = ""
            if not part:
                raise SystemExit(f"it ended, and {until!r} is not in {new!r}")
            # A terminal that is asked where it is, or what it is, answers.
            if "\x1b[6n" in part:
                os.write(self.terminal, b"\x1b[1;1R")
            if "\x1b[c" in part or "\x1b[0c" in part:
                os.write(self.terminal, b"\x1b[?62c")
            self.screen += part
            new = re.sub(r"\x1b\[[0-9;?>=]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b\][^\x07]*(\x07|\x1b\\)|\x0f", "", new + part).replace("\r", "\n")
        return new

    def write(self, keys):
        os.write(self.terminal, keys.encode())


def shell(name):
    program, setup = SHELLS[name]
    terminal = Terminal(program)
    # What is typed is on the screen as well: the answer is spelt otherwise.
    terminal.write(f"{setup}; echo rea''dy\n")
    terminal.read("\nready")
    # The rest of a command's name, and a space; the rest of an argument's name, and none.
    terminal.write("muster call hell\tname=Ada\n")
    terminal.read("\nHello, Ada!")
    terminal.write("muster call hello na\tBob\n")
    terminal.read("\nHello, Bob!")
    # Options and their values before a command's name; a value of a name, and one behind `=` of an option.
    terminal.write("muster call -o json hell\tname=Bob\n")
    terminal.read('\n"Hello, Bob!"')
    terminal.write(f"muster --data={os.environ['MUSTER_DATA_FOR_TESTS']} call hell\tname=Cid\n")
    terminal.read("\nHello, Cid!")
    terminal.write("muster call set_loglevel loglevel=deb\t -o json\n")
    terminal.read("\n0")
    terminal.write("muster call get_loglevel -o json\n")
    terminal.read("debug")
    terminal.write("muster --output=jso\t call hello name=Dan\n")
    terminal.read('\n"Hello, Dan!"')
    terminal.write("muster plugin grants hel\t -o json\n")
    terminal.read("wasi:logging")
    terminal.write("muster permi\tchec\t --help\n")
    terminal.read("Usage: muster permissions check")
    terminal.write("exit\n")
    os.waitpid(terminal.child, 0)


def progress():
    terminal = Terminal(["muster", "call", "steps", "to=4", "ms=400"])
    terminal.read("2/4 step 2")
    terminal.read("3/4 step 3")
    terminal.read("4\n")
    assert os.waitpid(terminal.child, 0)[1] == 0
    # A call that is done at once leaves nothing behind but its result.
    quick = Terminal(["muster", "call", "hello", "name=Ada"])
    assert quick.read("Hello, Ada!\n").strip().endswith("Hello, Ada!")
    os.waitpid(quick.child, 0)


if sys.argv[1] == "progress":
    progress()
else:
    shell(sys.argv[1])
print("done")
