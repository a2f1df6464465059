"""Commands beside pytest: ``python -m pytest_edgegate``. None runs code of a project."""
