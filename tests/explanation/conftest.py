from tests.pipeline.conftest import trained

__all__ = ["trained"]
