"""What a user's mistake looks like: one exception, one clear message, exit code 2."""


class SteepError(Exception):
    """A mistake that its user can mend.

    The message names the file, row, column or key, says what was expected and what to do. The
    command line prints it without a traceback and ends with code 2.
    """
