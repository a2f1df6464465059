"""What holds for all tests; ``pytester`` is loaded by pyproject.toml."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background with Ctrl-C ignored, which the pytests that tests
    # start would inherit: those that are interrupted would never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
