"""For whoever writes a backend or tests a gate: contract suites, fakes, a harness.

``pytest_edgegate.testing.contract`` is the suite that every backend passes,
``pytest_edgegate.testing.tool_contract`` that of every tool,
``pytest_edgegate.testing.fakes`` a backend on a small format of its own, for tests of what is
built on the gate, ``pytest_edgegate.testing.example`` runs pytest on a folder of files.
"""

import pytest

# Its assertions are read by whoever subclasses it; and a conftest.py may import the fakes before
# it names them as a plugin
pytest.register_assert_rewrite(
    f"{__name__}.contract", f"{__name__}.tool_contract", f"{__name__}.fakes"
)
