"""The version of both packages, and the day it was released."""

__version__ = "0.1.0"
BUILD_DATE = "2026-11-22"
