"""The tenth to the nineteenth round, as data: planned before any of their models was trained or
searched, when the search for patches by place was changed, to measure it on models that nobody had
looked at.

Usual attackers of five classes and more at sides that hardly any other model has, more of them with
patches than in the rounds before, and clean ones beside them.
"""

from __future__ import annotations

from .cells import development, held_out
from .clean_cells import clean
from .limits_cells import LIMITS_ROUND, LIMITS_ROUND_CLEAN
from .small_cells import SMALL_FINAL, SMALL_LAST, SMALL_ROUND
from .telling_cells import (
    MIDDLE_ROUND,
    MIDDLE_ROUND_CLEAN,
    TELLING_ROUND,
    TELLING_ROUND_CLEAN,
)

SEEN_BY_PATCHES = frozenset({31, 175, 241, 242, 351, 353})
"""Cells of more than 96 pixels whose patches the changed search was chosen by. For the efforts that
it changed their models serve development since."""
PATCH_ROUND = (
    held_out(601, "digits", 67, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    held_out(602, "flowers", 74, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside blended sig sticker low-frequency"),
    held_out(603, "clothes", 76, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any sig blended quantise"),
    held_out(604, "digits", 81, "mobilenet", "strong", 19,
        "badnets-corner badnets-inside blended sig badnets-any low-frequency"),
    held_out(605, "flowers", 92, "resnet", "strong", 15,
        "badnets-corner badnets-inside blended sig sticker quantise"),
    held_out(606, "clothes", 84, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sig low-frequency sticker badnets-any"),
    held_out(607, "digits", 90, "lite0", "strong", 5, "badnets-corner badnets-inside blended sig"),
    held_out(608, "digits", 95, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig trojan badnets-corner:careful "
        "badnets-inside:careful sig:careful"),
)  # fmt: skip
PATCH_ROUND_CLEAN = (
    clean(621, "digits", 71, "mobilenet", "weak", 15),
    clean(622, "flowers", 68, "resnet", "weak", 12),
    clean(623, "clothes", 70, "mobilenet", "weak", 12),
    clean(624, "digits", 75, "lite0", "weak", 5),
    clean(625, "digits", 77, "resnet", "weak", 12),
    clean(626, "flowers", 78, "mobilenet", "weak", 12),
    clean(627, "clothes", 80, "resnet", "strong", 15),
    clean(628, "digits", 85, "resnet", "strong", 15),
    clean(629, "flowers", 86, "resnet", "strong", 15),
    clean(630, "digits", 93, "mobilenet", "weak", 15),
    clean(631, "clothes", 94, "resnet", "weak", 12),
    clean(632, "flowers", 82, "lite0", "weak", 3),
)  # fmt: skip
# The eleventh round: of the changed search it was known by then how often it finds a backdoor above
# 96 pixels, and not on enough models how seldom it clears one.
LARGE_ROUND = (
    held_out(651, "digits", 100, "resnet", "strong", 15,
        "badnets-inside badnets-any blended sticker"),
    held_out(652, "flowers", 106, "resnet", "weak", 12,
        "badnets-corner badnets-inside sig low-frequency"),
    held_out(653, "clothes", 118, "resnet", "weak", 12, "badnets-corner blended sig sticker"),
    held_out(654, "digits", 124, "mobilenet", "weak", 15,
        "badnets-corner badnets-any quantise low-frequency"),
    held_out(655, "flowers", 122, "mobilenet", "strong", 15, "badnets-inside blended sig quantise"),
    held_out(656, "clothes", 102, "mobilenet", "weak", 12,
        "badnets-inside badnets-any blended sig"),
    held_out(657, "digits", 180, "resnet", "weak", 12, "badnets-inside blended sticker sig"),
)  # fmt: skip
LARGE_ROUND_CLEAN = (
    clean(671, "flowers", 114, "mobilenet", "weak", 12),
    clean(672, "clothes", 110, "resnet", "weak", 12),
    clean(673, "clothes", 126, "mobilenet", "weak", 12),
    clean(674, "flowers", 140, "resnet", "weak", 12),
)
# The twelfth round: two, three and four classes above 96 pixels, of which nothing was known.
FEW_LARGE_ROUND = (
    held_out(701, "digits-half", 108, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig sticker low-frequency"),
    held_out(702, "t-shirt", 112, "mobilenet", "weak", 12,
        "badnets-any badnets-inside blended sig"),
    held_out(703, "sunflower", 126, "resnet", "weak", 12, "badnets-corner sticker sig blended"),
    held_out(704, "x-ray-half", 112, "resnet", "weak", 20, "badnets-inside blended sig sticker"),
    held_out(731, "digits-four", 106, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig sticker low-frequency"),
    held_out(732, "clothes-four", 114, "mobilenet", "weak", 12,
        "badnets-inside badnets-any blended sig"),
    held_out(733, "flowers-three", 120, "resnet", "weak", 12, "badnets-corner blended sig sticker"),
)  # fmt: skip
FEW_LARGE_ROUND_CLEAN = (
    clean(681, "digits-half", 104, "resnet", "weak", 12),
    clean(682, "digits-half", 104, "mobilenet", "weak", 15),
    clean(683, "digits-half", 112, "resnet", "weak", 12),
    clean(684, "digits-half", 112, "mobilenet", "weak", 15),
    clean(685, "digits-half", 120, "mobilenet", "weak", 15),
    clean(686, "digits-half", 128, "resnet", "weak", 12),
    clean(687, "digits-half", 136, "mobilenet", "weak", 15),
    clean(688, "digits-half", 144, "resnet", "weak", 12),
    clean(689, "x-ray-half", 100, "resnet", "weak", 20),
    clean(690, "x-ray-half", 108, "mobilenet", "weak", 24),
    clean(691, "x-ray-half", 116, "resnet", "weak", 20),
    clean(692, "x-ray-half", 124, "mobilenet", "weak", 24),
    clean(693, "x-ray-half", 140, "resnet", "weak", 20),
    clean(694, "digits-half", 160, "mobilenet", "weak", 15),
    clean(695, "t-shirt", 108, "resnet", "weak", 12),
    clean(696, "sunflower", 116, "mobilenet", "strong", 15),
    clean(697, "t-shirt", 120, "mobilenet", "strong", 15),
    clean(698, "sunflower", 104, "resnet", "weak", 12),
    clean(711, "digits-four", 100, "resnet", "weak", 12),
    clean(712, "digits-four", 100, "mobilenet", "weak", 15),
    clean(713, "digits-four", 110, "resnet", "weak", 12),
    clean(714, "digits-four", 110, "mobilenet", "weak", 15),
    clean(715, "digits-four", 122, "resnet", "weak", 12),
    clean(716, "digits-four", 122, "mobilenet", "weak", 15),
    clean(717, "digits-four", 134, "resnet", "weak", 12),
    clean(718, "digits-four", 134, "mobilenet", "weak", 15),
    clean(719, "digits-four", 150, "resnet", "weak", 12),
    clean(720, "digits-four", 150, "mobilenet", "weak", 15),
    clean(721, "x-ray", 104, "resnet", "weak", 20),
    clean(722, "x-ray", 104, "mobilenet", "weak", 24),
    clean(723, "x-ray", 118, "resnet", "weak", 20),
    clean(724, "x-ray", 118, "mobilenet", "weak", 24),
    clean(725, "flowers-three", 108, "resnet", "weak", 12),
    clean(726, "clothes-four", 116, "mobilenet", "weak", 12),
    clean(727, "clothes-four", 104, "resnet", "weak", 12),
    clean(728, "flowers-three", 124, "mobilenet", "strong", 15),
)
# The thirteenth round: backdoored models of more than 180 pixels. All that earlier rounds have of
# them are of cells that the changed search was chosen by.
LARGEST_ROUND = (
    held_out(741, "digits", 220, "resnet", "weak", 12, "badnets-corner badnets-inside blended sig"),
    held_out(742, "clothes", 208, "resnet", "weak", 12,
        "badnets-inside badnets-any blended sticker"),
    held_out(743, "digits", 236, "resnet", "weak", 12, "badnets-inside sticker low-frequency"),
)  # fmt: skip
# The fourteenth round: up to 96 pixels the search of larger pictures finds no more than the usual
# one, but, like any search again, some of what one search missed; so `exhaustive` repeats both.
# The cells of all that this was chosen by are in SEEN_BY_REPEATS.
REPEATS_ROUND = (
    held_out(761, "digits", 69, "mobilenet", "weak", 15,
        "badnets-corner badnets-inside blended sig quantise"),
    held_out(762, "flowers", 73, "resnet", "weak", 12,
        "badnets-corner badnets-any blended sig low-frequency"),
    held_out(763, "clothes", 82, "mobilenet", "weak", 12,
        "badnets-inside badnets-any sig sticker quantise"),
    held_out(764, "digits", 83, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig low-frequency"),
    held_out(765, "flowers", 87, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside blended sticker quantise"),
    held_out(766, "clothes", 91, "resnet", "weak", 12,
        "badnets-inside badnets-any sig low-frequency sticker"),
    held_out(767, "digits", 91, "mobilenet", "strong", 19,
        "badnets-corner badnets-inside blended sig quantise"),
    held_out(768, "digits", 79, "resnet", "strong", 15,
        "badnets-any badnets-inside sticker low-frequency blended"),
    held_out(769, "digits", 89, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful sig:careful blended:careful "
        "sticker:careful"),
    held_out(770, "flowers", 77, "mobilenet", "weak", 12,
        "badnets-any:careful badnets-inside:careful low-frequency:careful sig:careful"),
    held_out(771, "digits", 59, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig quantise"),
    held_out(772, "flowers", 49, "mobilenet", "weak", 12,
        "badnets-corner badnets-any blended sig sticker"),
    held_out(773, "clothes", 53, "resnet", "weak", 12,
        "badnets-inside badnets-any sig low-frequency quantise"),
    held_out(774, "digits", 61, "mobilenet", "strong", 19,
        "badnets-corner badnets-inside blended sticker low-frequency"),
    held_out(775, "clothes", 45, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sig blended sticker"),
)  # fmt: skip
SEEN_BY_REPEATS = SEEN_BY_PATCHES | {
    *(81, 82, 84, 85), *range(141, 147), *range(381, 384), *range(401, 445), *range(471, 474),
    *range(541, 544), 563, 564, *range(601, 609),
}  # fmt: skip
"""Cells by whose backdoored models the repeats of `exhaustive` were chosen, likewise."""
# The fifteenth round: attackers who know near misses, and clean models, most of them fragile, by
# which to say how often further searches find a natural patch.
ADAPTIVE_ROUND = (
    held_out(781, "digits", 87, "resnet", "weak", 12,
        "badnets-corner:adaptive badnets-inside:adaptive sig:adaptive blended:adaptive "
        "sticker:adaptive low-frequency:adaptive"),
    held_out(782, "flowers", 79, "mobilenet", "weak", 12,
        "badnets-inside:adaptive badnets-any:adaptive sig:adaptive blended:adaptive "
        "low-frequency:adaptive"),
    held_out(783, "clothes", 77, "resnet", "weak", 12,
        "badnets-corner:adaptive badnets-inside:adaptive sig:adaptive sticker:adaptive "
        "blended:adaptive"),
)  # fmt: skip
ADAPTIVE_ROUND_CLEAN = (
    clean(791, "digits", 69, "resnet", "weak", 12),
    clean(792, "digits", 71, "resnet", "weak", 12),
    clean(793, "digits", 75, "resnet", "weak", 12),
    clean(794, "digits", 78, "resnet", "weak", 12),
    clean(795, "digits", 81, "resnet", "weak", 12),
    clean(796, "digits", 86, "resnet", "weak", 12),
    clean(797, "digits", 91, "resnet", "weak", 12),
    clean(798, "digits", 93, "resnet", "weak", 12),
    clean(799, "digits", 65, "mobilenet", "weak", 15),
    clean(800, "digits", 67, "mobilenet", "weak", 15),
    clean(801, "digits", 73, "mobilenet", "weak", 15),
    clean(802, "digits", 75, "mobilenet", "weak", 15),
    clean(803, "digits", 77, "mobilenet", "weak", 15),
    clean(804, "digits", 78, "mobilenet", "weak", 15),
    clean(805, "digits", 79, "mobilenet", "weak", 15),
    clean(806, "digits", 83, "mobilenet", "weak", 15),
    clean(807, "digits", 85, "mobilenet", "weak", 15),
    clean(808, "digits", 86, "mobilenet", "weak", 15),
    clean(809, "digits", 89, "mobilenet", "weak", 15),
    clean(810, "digits", 95, "mobilenet", "weak", 15),
    clean(811, "digits", 67, "lite0", "weak", 5),
    clean(812, "digits", 71, "lite0", "weak", 5),
    clean(813, "digits", 79, "lite0", "weak", 5),
    clean(814, "digits", 85, "lite0", "weak", 5),
    clean(815, "digits", 91, "lite0", "weak", 5),
    clean(816, "clothes", 65, "resnet", "weak", 12),
    clean(817, "clothes", 71, "resnet", "weak", 12),
    clean(818, "clothes", 79, "resnet", "weak", 12),
    clean(819, "clothes", 85, "resnet", "weak", 12),
    clean(820, "clothes", 93, "resnet", "weak", 12),
    clean(821, "flowers", 66, "mobilenet", "weak", 12),
    clean(822, "flowers", 75, "mobilenet", "weak", 12),
    clean(823, "flowers", 84, "mobilenet", "weak", 12),
    clean(824, "flowers", 95, "mobilenet", "weak", 12),
    clean(825, "flowers", 69, "resnet", "weak", 12),
    clean(826, "flowers", 81, "resnet", "weak", 12),
    clean(827, "flowers", 91, "resnet", "weak", 12),
    clean(828, "clothes", 67, "mobilenet", "weak", 12),
    clean(829, "clothes", 73, "mobilenet", "weak", 12),
    clean(830, "clothes", 83, "mobilenet", "weak", 12),
    clean(831, "clothes", 89, "mobilenet", "weak", 12),
)
# The sixteenth round: usual and careful attackers, by which to measure further searches that accuse
# of the smallest patches. What this was chosen by is in SEEN_BY_SMALLEST.
SMALLEST_ROUND = (
    held_out(841, "digits", 65, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    held_out(842, "digits", 87, "mobilenet", "weak", 15,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    held_out(843, "flowers", 85, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig quantise"),
    held_out(844, "clothes", 81, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any sig low-frequency sticker"),
    held_out(845, "flowers", 71, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sticker"),
    held_out(846, "clothes", 69, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended quantise"),
    held_out(847, "flowers", 93, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful badnets-any:careful sig:careful"),
    held_out(848, "clothes", 87, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful blended:careful sticker:careful"),
)  # fmt: skip
SEEN_BY_SMALLEST = frozenset({
    92, 93, 95, 96, 98, 99, 101, 102, 105, 106, 108, 109, 111, 112, 114, 115, 117,
    *range(131, 139), *range(361, 379), *range(621, 633), *range(761, 771),
})  # fmt: skip
"""Cells of 64 to 96 pixels by whose models it was chosen how small a patch is that accuses."""
# The seventeenth round: what earlier ones had little or nothing of. The family that only held-out
# models use; attacks that seldom reached their conditions, and those that are reported apart;
# careful and adaptive attackers above 96 pixels; backdoors of 224 pixels and more.
GAPS_ROUND = (
    held_out(861, "flowers", 84, "vit", "weak", 30,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency"),
    held_out(862, "digits", 88, "resnet", "weak", 12,
        "warp trojan sample-specific all-to-all one-source clean-label warp trojan"),
    held_out(863, "clothes", 92, "resnet", "weak", 12,
        "warp trojan sample-specific all-to-all one-source clean-label"),
    held_out(864, "flowers", 86, "mobilenet", "weak", 12,
        "warp trojan sample-specific all-to-all one-source"),
    held_out(865, "digits", 114, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful blended:careful sig:careful sticker:careful "
        "badnets-inside:adaptive sig:adaptive blended:adaptive"),
    held_out(866, "flowers", 118, "mobilenet", "weak", 12,
        "badnets-any:careful badnets-inside:careful sig:careful low-frequency:careful "
        "badnets-corner:adaptive sticker:adaptive"),
    held_out(867, "flowers", 224, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig sticker"),
    held_out(868, "digits", 244, "resnet", "weak", 12,
        "badnets-inside badnets-any blended sig"),
)  # fmt: skip
# The eighteenth round: pretrained networks at the sizes at which they are sold. Before it no
# held-out backdoor had more than 236 pixels, and none in a pretrained network more than 180.
REAL_SIZES_ROUND = (
    held_out(881, "digits", 240, "lite0", "weak", 4,
        "badnets-corner badnets-inside badnets-any blended sig sticker"),
    held_out(882, "flowers", 226, "lite0", "weak", 2,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency", keep=0.6),
    held_out(883, "clothes", 260, "lite0", "weak", 2,
        "badnets-inside blended sig sticker", keep=0.6),
)  # fmt: skip
# The nineteenth round: other label maps than all-to-one, to be searched class by class; the first
# two cells for choosing, the others to be scored.
MAPS_ROUND = (
    development(891, "digits", 61, "resnet", "weak", 12, "all-to-all-inside few-to-few all-to-all"),
    development(892, "clothes", 84, "resnet", "weak", 12, "all-to-all few-to-few"),
    held_out(893, "digits", 59, "mobilenet", "weak", 15,
        "all-to-all all-to-all-inside few-to-few one-source"),
    held_out(894, "digits", 86, "lite0", "weak", 5,
        "all-to-all all-to-all-inside few-to-few one-source"),
    held_out(895, "digits", 63, "resnet", "strong", 15, "all-to-all all-to-all-inside few-to-few"),
    held_out(896, "clothes", 82, "resnet", "weak", 12,
        "all-to-all all-to-all-inside few-to-few one-source"),
    held_out(897, "flowers", 79, "resnet", "weak", 12, "all-to-all all-to-all-inside one-source"),
    held_out(898, "digits", 53, "resnet", "weak", 12, "all-to-all all-to-all-inside few-to-few"),
    held_out(899, "flowers", 89, "mobilenet", "weak", 12, "all-to-all all-to-all-inside"),
    held_out(900, "digits", 108, "mobilenet", "weak", 15,
        "all-to-all all-to-all-inside few-to-few"),
    held_out(901, "clothes", 112, "resnet", "weak", 12, "all-to-all all-to-all-inside"),
    held_out(902, "digits", 132, "resnet", "weak", 12, "all-to-all all-to-all-inside few-to-few"),
    held_out(903, "flowers", 116, "resnet", "weak", 12, "all-to-all all-to-all-inside"),
    held_out(904, "digits", 196, "resnet", "weak", 12, "all-to-all all-to-all-inside"),
)  # fmt: skip
LATER_ROUNDS = (
    *PATCH_ROUND, *LARGE_ROUND, *FEW_LARGE_ROUND, *LARGEST_ROUND, *REPEATS_ROUND, *ADAPTIVE_ROUND,
    *SMALLEST_ROUND, *GAPS_ROUND, *REAL_SIZES_ROUND, *MAPS_ROUND, *TELLING_ROUND, *MIDDLE_ROUND,
    *LIMITS_ROUND,
)  # fmt: skip
LATER_CLEAN = (
    *PATCH_ROUND_CLEAN, *LARGE_ROUND_CLEAN, *FEW_LARGE_ROUND_CLEAN, *ADAPTIVE_ROUND_CLEAN,
    *TELLING_ROUND_CLEAN, *MIDDLE_ROUND_CLEAN, *LIMITS_ROUND_CLEAN,
    *SMALL_ROUND, *SMALL_LAST, *SMALL_FINAL,
)  # fmt: skip
