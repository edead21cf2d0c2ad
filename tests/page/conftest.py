from tests.deployment.conftest import pipeline

__all__ = ["pipeline"]
