"""The tests of heads for pairs share the tiny models of the tests of models."""

from tests.models.conftest import bert_copy, build  # noqa: F401
