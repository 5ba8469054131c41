"""The tests of recipes share the commands and tables of the tests of whole commands."""

from tests.stages.conftest import (  # noqa: F401
    columns,
    refused,
    short_step2,
    steep,
    tables,
    tiny,
)
