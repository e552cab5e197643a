"""Every number the search depends on. Together with the samples and the seed they fix it."""

from __future__ import annotations

from dataclasses import dataclass

SPOTS = 8 + 9
"""Places of a spot beside a patch, and of the patch all over the picture."""


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """Settings of one trigger search. The defaults are those the null was measured with.

    Lengths are given for images 32 pixels wide and grow with the image; amplitudes are in
    8-bit levels; shares and successes are fractions of the images not of the target already.
    """

    budget: int = 5200
    """Queries, clean samples and verifications included, after which no turn is started; verifying
    the best candidates of an all-clear comes on top."""
    schedule: tuple[tuple[str, int], ...] = (
        ("patch", 450), ("field", 260), ("quantise", 64), ("place", 800), ("patch", 600),
        ("noise", 260), ("blend", 260), ("warp", 260), ("wave", 300), ("place", 600),
        ("patch", 650), ("warp", 260), ("field", 260),
    )  # fmt: skip
    """Trigger kinds in turn, and queries of each turn; later turns of a kind go on with it."""
    verify_share: float = 0.5  # of the samples, kept for verification, never seen by the search
    verify_images: int = 60  # most images of one verification
    verify_from: float = 0.5  # share on search images from which a candidate is verified at once
    enough: float = 0.85
    """Verified success that ends the whole search; its lower confidence bound and the null still
    decide if it is suspicious."""
    # Patches: screening random candidates
    patch_sizes: tuple[int, ...] = (3, 4, 5)  # sides
    patch_period: int = 8  # distance between the copies of one patch in a lattice
    patch_margins: int = 3  # largest distance from the edges of a patch drawn in the corners
    corner_share: float = 0.55  # of candidates in the four corners instead of on a lattice
    screen_batch: int = 32  # candidates of one round
    screen_images: int = 4  # images for each
    keep: int = 8  # candidates of a round that are asked again with half of their copies
    tries: int = 2  # candidates of a round that a local search takes up
    # Patches: local search
    tabu: float = 0.05  # promise that a label loses with every slice spent on it
    fewer: float = 0.2  # promise that a local search gains with every halving of its copies
    slice_queries: int = 144  # of one slice, after which another local search may go on
    children: int = 4  # random neighbours per step
    step_images: int = 8  # images per step
    patience: int = 4  # steps without progress after which it gives up
    single_images: int = 14  # images per step once a single patch is left
    single_patience: int = 4  # steps it then gets on top
    polish_queries: int = 600  # for improving a convincing patch below 95 %
    extra_queries: int = 1200
    """Queries beyond the budget, for all kinds together, if their best candidate is unusual for
    clean models but not convincing yet."""
    # Patches by place
    place_side: int = 6  # side of the patches
    place_copies: int = 4  # patches on one image
    place_draws: int = 480  # images before the first place is tried
    place_more: int = 96  # images added once all places were tried
    place_tries: int = 5  # places tried in a row
    place_batch: int = 16  # patterns asked at a place between two fits of its cells
    place_most: int = 500  # most queries of one place
    # Tallies of random patterns
    tally_draws: int = 160  # patterns of one round
    tally_labels: int = 3  # labels whose mean pattern is tried after a round
    tally_images: int = 6  # images for each
    grids: tuple[int, ...] = (4, 8)  # control points per side of the smooth fields
    warp_grids: tuple[int, ...] = (4,)  # the same of warps
    # Strengths, weak and strong, of a verification
    amplitudes: tuple[float, float] = (20.0, 38.0)  # fields and noise; the search for waves
    blends: tuple[float, float] = (0.1, 0.2)  # shares of the pattern
    warps: tuple[float, float] = (1.0, 1.5)  # mean shifts in pixels
    wave: float = 20.0  # weak; the strong one is that of fields
    # Waves
    wave_draws: int = 8  # per direction and number of cycles
    wave_tries: int = 6  # waves tried after a tally
    wave_steps: int = 3  # steps that refine the best of them
    confidence: float = 0.95  # of the success intervals
    # Nearly black-and-white pictures, on which a finding has to be confirmed
    two_toned: bool = False
    least_of_all: float = 0.8  # of the samples of all labels, for a patch judged on some
    small_cells: int = 3  # side of a patch that no habit of a clean model is so small as
    control_strength: float = 0.6
    """Part of the weak strength at which no habit of a clean model works any more."""
    control_images: int = 30  # for each small part of a patch, or each weak form of a pattern
    # A patch accuses only if a small part of it does as much, and never by some classes alone
    parts: bool = False
    patch_share: float = 0.0  # and only if it moves so many samples, or is of at most small_cells
    spots: bool = False  # and only if a plain spot beside it does little
    # Each source class by itself
    sources: int = 0  # number of labels, 0 for none
    source_samples: int = 60  # most samples of one label
    source_queries: int = 900  # of one label's turn
    source_carried: int = 4  # labels' patches that are tried on the other labels' samples

    @property
    def least_share(self) -> float:
        """:attr:`least_of_all` where it applies."""
        return self.least_of_all if self.two_toned else 0.0

    @property
    def last_step(self) -> int:
        """Queries of a step that is begun, at most, and of a verification at both strengths."""
        return self.screen_batch * (self.screen_images + 2) + 2 * self.verify_images

    @property
    def parts_control(self) -> int:
        """Queries that all small parts of a patch, and spots beside it, are asked, at most."""
        parts = (self.place_side - self.small_cells + 1) ** 2
        return (parts + SPOTS * self.spots) * self.control_images

    @property
    def most_queries(self) -> int:
        """More than any search asks: its budget, a turn begun just before its end, the extra
        allowance and the polish, and for each kind, and for each of those three, a last step and a
        verification at both strengths.
        """
        kinds = len({kind for kind, _ in self.schedule})
        turn = max(queries for _, queries in self.schedule)
        controls = 2 * self.verify_images + self.parts_control
        last = self.last_step + controls * (self.two_toned + self.parts)
        return self.budget + turn + self.extra_queries + self.polish_queries + (kinds + 3) * last
