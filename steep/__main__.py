"""How does the command `steep` begin? Here, so that Ctrl-C is understood while it still imports."""

import os
import sys


def main() -> None:
    """The command `steep`, also as `python -m steep`."""
    _open_standard_streams()
    try:
        from steep.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. Nothing half-written is left.\n")
        sys.stderr.flush()
        os._exit(130)  # Python would end itself by the signal, if it had come within exec()


def _open_standard_streams() -> None:
    """Give streams that are closed a place to go: no file may take it, and be printed into."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


if __name__ == "__main__":
    main()
