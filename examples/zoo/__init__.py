"""Reference-model zoo: small classifiers, honest and backdoored, whose state is known.

The audit needs models that it knows to be clean or backdoored: to calibrate a profile
on, and to test a verdict with. ``python -m examples.zoo train`` trains them.
"""

from .use import apply_trigger, default_folder

__all__ = ["apply_trigger", "default_folder"]
