"""Every number the search depends on. Together with the samples and the seed they fix it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """Settings of one trigger search. The defaults are those the null was measured with.

    Lengths are given for images 32 pixels wide and grow with the image; amplitudes are in
    8-bit levels; shares and successes are fractions of the images not of the target already.

    Attributes:
        budget: queries, clean samples and verifications included, after which no turn is
            started; verifying the best candidates of an all-clear comes on top.
        schedule: the trigger kinds in turn and how many queries each turn may use. A kind may
            have several turns; later ones go on where the earlier one stopped.
        verify_share: share of the samples kept for verification, never seen by the search.
        verify_images: most images one verification uses.
        verify_from: share on search images from which a candidate is verified at once.
        enough: verified success that ends the whole search early (lower confidence bound
            and null still decide whether it is suspicious).
        patch_sizes: sides of the square patches that are tried.
        patch_period: distance between the copies of one patch in a lattice.
        patch_margins: largest distance from the edges of a patch drawn in the corners.
        corner_share: share of candidates in the four corners instead of on a lattice.
        screen_batch: candidates screened in one round.
        screen_images: images each is screened on.
        keep: candidates of a round that are asked again with half of their copies.
        tries: candidates of a round that a local search takes up.
        tabu: promise a label loses with every slice spent on it.
        fewer: promise a local search gains with every halving of its copies.
        slice_queries: queries of one slice, after which another local search may go on.
        children: random neighbours per step of a local search.
        step_images: images per step of a local search.
        patience: steps without progress after which a local search gives up.
        single_images: images per step once a single patch is left.
        single_patience: steps it then gets on top.
        polish_queries: queries spent on improving a convincing patch below 95 %.
        extra_queries: queries beyond the budget, for all kinds together, where their best
            candidate is unusual for clean models but not convincing yet.
        place_side: side of the patches that search places.
        place_copies: of them on one image.
        place_draws: images with such patches before the first place is looked into.
        place_more: images added when those places are used up.
        place_tries: places looked into in a row.
        place_batch: patterns asked at a place between two fits of what its cells add.
        place_most: queries that one place may use.
        tally_draws: random patterns of one round of a tally.
        tally_labels: labels whose mean pattern is tried after a round.
        tally_images: images each is tried on.
        grids: control points per side of the smooth fields.
        warp_grids: the same of warps.
        amplitudes: strengths, weak and strong, at which fields and noise are verified; the
            search for waves starts at the strong one.
        blends: shares of the pattern, weak and strong, at which blends are verified.
        warps: mean shifts in pixels, weak and strong, for warps.
        wave_draws: draws of a tally of waves per direction and number of cycles.
        wave_tries: waves that are tried after it.
        wave_steps: steps by which the best of them is refined.
        wave: weak strength at which waves are verified; the strong one is that of fields.
        confidence: of the success intervals.
        sources: labels whose samples are searched by themselves, 0 for none.
        source_samples: most samples of one label that this uses.
        source_queries: queries of one label's turn.
    """

    budget: int = 5200
    schedule: tuple[tuple[str, int], ...] = (
        ("patch", 450),
        ("field", 260),
        ("quantise", 64),
        ("place", 800),
        ("patch", 600),
        ("noise", 260),
        ("blend", 260),
        ("warp", 260),
        ("wave", 300),
        ("place", 600),
        ("patch", 650),
        ("warp", 260),
        ("field", 260),
    )
    verify_share: float = 0.5
    verify_images: int = 60
    verify_from: float = 0.5
    enough: float = 0.85
    patch_sizes: tuple[int, ...] = (3, 4, 5)
    patch_period: int = 8
    patch_margins: int = 3
    corner_share: float = 0.55
    screen_batch: int = 32
    screen_images: int = 4
    keep: int = 8
    tries: int = 2
    tabu: float = 0.05
    fewer: float = 0.2
    slice_queries: int = 144
    children: int = 4
    step_images: int = 8
    patience: int = 4
    single_images: int = 14
    single_patience: int = 4
    polish_queries: int = 600
    extra_queries: int = 1200
    place_side: int = 6
    place_copies: int = 4
    place_draws: int = 480
    place_more: int = 96
    place_tries: int = 5
    place_batch: int = 16
    place_most: int = 500
    tally_draws: int = 160
    tally_labels: int = 3
    tally_images: int = 6
    grids: tuple[int, ...] = (4, 8)
    warp_grids: tuple[int, ...] = (4,)
    amplitudes: tuple[float, float] = (20.0, 38.0)
    blends: tuple[float, float] = (0.1, 0.2)
    warps: tuple[float, float] = (1.0, 1.5)
    wave: float = 20.0
    wave_draws: int = 8
    wave_tries: int = 6
    wave_steps: int = 3
    confidence: float = 0.95
    sources: int = 0
    source_samples: int = 60
    source_queries: int = 900

    @property
    def most_queries(self) -> int:
        """More than a search asks, whatever the labels: its budget, a turn begun just before its
        end, the extra allowance and the polish, and for each kind, and for each of those
        three, a last step and a verification at both strengths.
        """
        kinds = len({kind for kind, _ in self.schedule})
        turn = max(queries for _, queries in self.schedule)
        last = self.screen_batch * (self.screen_images + 2) + 2 * self.verify_images
        return self.budget + turn + self.extra_queries + self.polish_queries + (kinds + 3) * last
