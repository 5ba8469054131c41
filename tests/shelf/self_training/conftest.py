"""The tests of pseudo-labels write small files as the tests of data do."""

from tests.data.conftest import write  # noqa: F401
