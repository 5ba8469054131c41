"""What a user's mistake looks like: one exception, one clear message, exit code 2."""

from pathlib import Path


class SteepError(Exception):
    """A mistake that its user can mend.

    The message names the file, row, column or key, says what was expected and what to do. The
    command line prints it without a traceback and ends with code 2.
    """


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file."
    if isinstance(error, IsADirectoryError):
        return f"{path}: this is a folder, but a file is expected."
    return f"{path}: cannot be read: {error.strerror or error}."
