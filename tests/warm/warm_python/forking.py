"""A plugin of pytest: the processes of the gate are forked in this whole run."""

from __future__ import annotations

import warm_python

_FORKED = warm_python.forked()
_FORKED.__enter__()
