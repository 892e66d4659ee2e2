"""An open City Brain: sense a city, keep its live state, and run its services as one closed loop."""

__all__ = ["__version__"]

__version__ = "0.1.0"
