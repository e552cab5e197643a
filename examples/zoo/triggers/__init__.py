"""Triggers as data: what is needed to stamp one on fresh images, without torch."""

from .base import Trigger, finish, load_trigger, save_trigger

__all__ = ["Trigger", "finish", "load_trigger", "save_trigger"]
