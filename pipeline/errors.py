"""The one exception that means: the user's input is at fault, and the message says what to do."""


class UserError(ValueError):
    """Bad input found at the border. The message says what was given, what was expected and what to do, in one line;
    the command line prints it without a traceback and exits with status 2."""
