"""For authors of backends and of tests: contract suites, fakes, a harness.

``pytest_edgegate.testing.contract`` is the test suite for backends,
``pytest_edgegate.testing.tool_contract`` the one for tools,
``pytest_edgegate.testing.fakes`` a backend with a small format of its own, for tests of code that
builds on the gate, ``pytest_edgegate.testing.example`` runs pytest on a folder of files.
"""

import pytest

# Authors of subclasses read its assertions; and a conftest.py may import the fakes before
# it names them as a plugin
pytest.register_assert_rewrite(
    f"{__name__}.contract", f"{__name__}.tool_contract", f"{__name__}.fakes"
)
