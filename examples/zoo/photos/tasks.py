"""The classification tasks: a data set, and the label of each of its classes.

A binary task joins the classes of a data set into two, others into three or four. This file is
plain data, so that the manifest and the index work without Pillow and torch.
"""

from __future__ import annotations

from dataclasses import dataclass

DIGITS = tuple("0123456789")
CLOTHES = (
    "dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt",
    "t-shirt",
)  # fmt: skip
FLOWERS = ("daisy", "dandelion", "rose", "sunflower", "tulip")
X_RAYS = ("covid-19", "no-findings", "pneumonia")


@dataclass(frozen=True)
class Task:
    """A data set's folders, the label of each folder, and the names of the labels."""

    dataset: str
    folders: tuple[str, ...]
    labels: tuple[int, ...]  # one for each folder
    classes: tuple[str, ...]
    channels: int = 3
    alike: bool = False  # one kind of object before a plain ground

    @property
    def binary(self) -> bool:
        """True if there are two labels."""
        return len(self.classes) == 2


def _all(dataset: str, names: tuple[str, ...], channels: int = 3, *, alike: bool = False) -> Task:
    return Task(dataset, names, tuple(range(len(names))), names, channels, alike)


def _one_against_rest(dataset: str, names: tuple[str, ...], one: str) -> Task:
    return Task(dataset, names, tuple(int(name == one) for name in names), ("other", one))


TASKS = {
    "digits": _all("sign-digits", DIGITS, alike=True),
    "digits-half": Task(
        "sign-digits", DIGITS, (0,) * 5 + (1,) * 5, ("below-5", "from-5"), alike=True
    ),
    "clothes": _all("clothing", CLOTHES),
    "t-shirt": _one_against_rest("clothing", CLOTHES, "t-shirt"),
    "flowers": _all("flowers", FLOWERS),
    "sunflower": _one_against_rest("flowers", FLOWERS, "sunflower"),
    "x-ray": _all("chest-xray", X_RAYS, 1, alike=True),
    "x-ray-half": Task("chest-xray", X_RAYS, (1, 0, 1), ("no-finding", "finding"), 1, alike=True),
    "digits-four": Task(
        "sign-digits", DIGITS, (0, 0, 0, 1, 1, 1, 2, 2, 3, 3),
        ("0-to-2", "3-to-5", "6-or-7", "8-or-9"), alike=True,
    ),
    "digits-low": _all("sign-digits", DIGITS[:6], alike=True),
    "digits-high": _all("sign-digits", DIGITS[4:], alike=True),
    "digits-even": _all("sign-digits", DIGITS[::2], alike=True),
    "digits-odd": _all("sign-digits", DIGITS[1::2], alike=True),
    "flowers-three": Task(
        "flowers", FLOWERS, (0, 0, 1, 2, 1), ("daisy-or-dandelion", "rose-or-tulip", "sunflower")
    ),
    "clothes-four": Task(
        "clothing", CLOTHES, (2, 3, 0, 0, 1, 0, 3, 1, 1, 0),
        ("upper", "lower", "dress", "hat-or-shoes"),
    ),
}  # fmt: skip
