"""Changes the status of whole fleets of IoT SIMs, safely. Nothing in here knows of Prefect."""

__version__ = "0.1.0"
__all__ = ["__version__"]
