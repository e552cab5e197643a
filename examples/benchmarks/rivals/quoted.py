"""What papers of other black-box detectors say of access and queries, as far as could be read."""

from __future__ import annotations

ROWS = (
    (
        "AEVA (ICLR 2022)",
        "hard labels",
        "not stated in what could be read; 40 samples a class and 200 samples a gradient estimate. "
        "The defaults of the public code come to at least 89.5 million for ten classes, computed "
        "from its settings",
        "accuses above an anomaly index of 4; the code's example, a backdoored CIFAR-10 model, "
        "has 8.37",
    ),
    (
        "B3D (ICCV 2021)",
        "confidences of all classes",
        "none given in abstract and reviews; the full text could not be read",
        "effective on hundreds of models, by its abstract; no figure could be read",
    ),
    (
        "BProm (arXiv 2411.09540)",
        "confidences, and shadow models of one's own",
        "none given; a reviewer asks for them",
        "mean AUROC 0.979 (ResNet-18) and 0.992 (MobileNet), through a review that calls its "
        "numbers inconsistent; all-to-all is named as a limit",
    ),
)


def table() -> list[str]:
    """The table of the page."""
    lines = ["| method | access | queries per model | reported |", "|---|---|---|---|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in ROWS), ""]
