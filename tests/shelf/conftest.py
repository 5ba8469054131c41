"""The tests of features share the commands, tables and models of the tests of whole commands."""

from tests.stages.conftest import (  # noqa: F401
    adapted,
    columns,
    fitted,
    refused,
    steep,
    tables,
    tiny,
)
