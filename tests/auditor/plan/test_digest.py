"""Digests of plans: each version exactly as it was made."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.plan.digest import PLAN_VERSION, READABLE_VERSIONS, PlanContent, plan_digest
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.settings import AuditSettings
from auditor.probes.label_search.settings import (
    EFFORTS,
    FINE,
    ORDER_IMAGES,
    SUCCESS_SIDES,
    Effort,
)
from auditor.probes.trigger_search.settings import TriggerSettings

FRUGAL: dict[str, Any] = {"planes": 44, "sampler": "frugal"}
SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {"planes": 6, "density": 5, "canaries": 9},
    "default": FRUGAL,
    "larger pictures": {**FRUGAL, "effort": "thorough"},
    "middle pictures": {**FRUGAL, "effort": "exhaustive"},
    "large pictures": {**FRUGAL, "effort": "thorough"},
    "small pictures, thorough": {**FRUGAL, "effort": "thorough"},
    "many small, thorough": {**FRUGAL, "effort": "thorough"},
    "many larger, thorough": {**FRUGAL, "effort": "thorough"},
    "per source and perturbations": {**FRUGAL, "per_source": True, "families": True, "seed": 7},
    "odd settings": {
        **FRUGAL, "planes": 3, "expansion": 2.25, "alpha": 1.5, "ats_threshold": 0.3, "points": 8,
        "pictures": 2, "density": 24, "stop_early": False,
    },
    "too few samples": {**FRUGAL, "planes": 3, "trigger_search": False, "canaries": 0},
}  # fmt: skip
SHAPES = {
    "paper": (60, 1, 4, 4),
    "default": (60, 3, 8, 8),
    "larger pictures": (60, 3, 48, 48),
    "middle pictures": (60, 3, 72, 72),
    "large pictures": (60, 3, 112, 112),
    "small pictures, thorough": (60, 3, 28, 28),
    "many small, thorough": (125, 3, 28, 28),
    "many larger, thorough": (125, 3, 48, 48),
    "per source and perturbations": (60, 3, 8, 8),
    "odd settings": (60, 1, 4, 4),
    "too few samples": (30, 1, 4, 4),
}
WRITTEN_BY_0_1 = {
    "paper": "2a393fc720a2f32acb65b978efcbe0002a93b42a49174c6169c8e4660433c6aa",
    "default": "58606466cf93bf290697c0b58ed40b8cfd82075448575aefdca251f28f401774",
    "per source and perturbations": (
        "70cb804865180658ef12847d173980c7c9f4c1f4a7de512a19053a9a8da81a39"
    ),
    "odd settings": "bb66d6be038e659e9f5dcb8c3a38c2b7fb864c8140b71a5638fe222c3d0442db",
    "too few samples": "74bc89f7674f7f89ce36590d913285747a9f69ee838237c9bccbe9ec10fc38f6",
}
"""Digests that release 0.1 gave these plans."""
WRITTEN_BY_0_2 = {
    "paper": "67cd94b1438aa8cdc888c8943c581842079af701374e4c88a2b9b4f747ae7634",
    "default": "35ac7fe1d1f39147383cf804f102ebeeb0f4112625e984e643bff69d99cfcb1a",
    "per source and perturbations": (
        "de0c2c11b190065c4769b9f270ff9b1abea425dceba3335f7ab21093c5437039"
    ),
}
"""Digests that release 0.2 gave these plans."""
WRITTEN_AS_4 = {
    "paper": "73758dd11036d70f4f185dfe6180e2e31635a18219d32b25470e785ae84ec8cd",
    "default": "2347769b52c27726c1c75ab0cad89e9b4130f78374d5c4a4f9a9e09394eb892a",
    "larger pictures": "16b0c0b1a724300eeb488f7df050311ee34d9fc7bd93b7792e328d550b76c316",
}
"""Digests of version 4, of before a finding was confirmed."""
WRITTEN_AS_5 = {
    "paper": "96c8e98d67c0c5a2b5429acd069451d237bf3d28f8f60443b0cc4168b4fc191e",
    "default": "64c8306595da4eabe1dd96eb1ca69e6725dd202fdd911d5079ea604f1a84f80f",
    "larger pictures": "4bd0eddbb05d3841adb7cb60d0c6ff6f7c40ef7f69c57bf29ae3a2f85cbb2772",
    "small pictures, thorough": "f2f86b1192db5af409fa3adf0537e1232bc43deda6466f1eadfae99a306b11e7",
}
"""Digests of version 5, of before a borderline finding was searched a second time."""
WRITTEN_AS_6 = {
    "paper": "437e63c2cd57453985b5a464639e95b804d858c749e0a35e546713b7fcd2b480",
    "default": "6c71f3e338f9d0fe0ced3ab850b375edaf73f0eeb97f2c550d14f35de8299a10",
    "larger pictures": "2dbc10896f1b2451d840fa50ff59f63f988611f9afb48f422303b7152afb0dd2",
    "small pictures, thorough": "99e61718d77daeb2670bfe326fa3dbb23aa0691e2b472952b36e4039a2863d49",
}
"""Digests of version 6, of before a search label by label of larger pictures was made twice."""
WRITTEN_AS_7 = {
    "paper": "c3e7fdbce5e9d79fbf7515830efecba1e737d201eaf2261ff4429688172178d3",
    "default": "6d58916d5cf33c8877cfa6e98853cda39c757267235226a7d5407c3c0e5d7eb8",
    "larger pictures": "427502f545393c0e59f255f930a9c68e95cec7e6956a9445fe0951f2c1ca9098",
    "small pictures, thorough": "f4699239232e96d4f9a4f076b8292f4cfc2447ca376951ee0e0de852bf305800",
}
"""Digests of version 7, of before two classes and `exhaustive` had clean models to judge by."""
WRITTEN_AS_8 = {
    "paper": "1673b0798eaad023403f7a2137a692472ea8a5428d71ef15bc3e55242f22d4e6",
    "default": "32ede3cab8c71f9c40384199c58a9ec3b7c1905b76acae6b50d38fb322c8e8c6",
    "larger pictures": "44c281a0aebee2a5c864b85b6df5532a6abae6e83843f61a5488a669b96115e3",
    "large pictures": "b6e79d1f442e1122c33b287bd3c5b2628e943f475d04ba4769c33bfeeeccf2d5",
    "small pictures, thorough": "dcd1d7cd4833cf88b99c94820896b463393a56025ade2bc4a24a4215ba2c9208",
}
"""Digests of version 8, of before patches were searched for again where they led to a label."""
WRITTEN_AS_9 = {
    "paper": "7ad3ba83411d323a6da42854a788f819287c561ad5748f6299080986f8645a67",
    "default": "8acf7b22b8a079c1bd6ffe7d465187e84a71df0eb074ef7a29277c24383ca7a2",
    "larger pictures": "096244bdce1fc9975e9ef085ec63300860a25952266a95f2b654ac2be0a0ccfb",
    "middle pictures": "1c9e6c4f8cb99696eb3ef12d1bde17ecd31d8b5902dbadcca10e55c6216093a9",
    "large pictures": "a7fe6f98f9f21d69578bce71022d3edf401a1c7a78c1951ee28a7cf8109bd55f",
    "small pictures, thorough": "51b25cde775e5fc78ef3cae5881de14e24c39b71147466ac91200a8201a52710",
}
"""Digests of version 9, of before `exhaustive` searched further for patches."""
WRITTEN_AS_10 = {
    "paper": "d8c221dd78855755372eaada280d15eee231b31cf727d6e629810dd88352e2a3",
    "default": "e01e87f55640a0234618281cf61e664dde5f50715a727a522585f51f62ca4730",
    "larger pictures": "01f65546749d903dcb0ef54d5b020fbbd4a76620060753bbea22b3c0c90d9b2e",
    "middle pictures": "60b4e5fa3417b2b7b09dd3425686d9131678ab7c1a3e4a5b23a4ba362ded5d1a",
    "large pictures": "7e4e0ff1f566b7c77fd473bffd833510b9ce4ca0435f6d907ecf519eaddd0581",
    "small pictures, thorough": "b08826f6ff6ff16aef0039e8f4ccb87cd123764d5ff434a638a082a3b2b1e6de",
}
"""Digests of version 10, of before classes were searched by themselves last of all, and further
searches accused."""
WRITTEN_AS_11 = {
    "paper": "de22de87ad47aac6df21889f24a560761f7faf0a44f3b80766bc7f66784f62bc",
    "default": "60466f985875405eec173d955a64ab68f575208895e1380e50d39e119838ef15",
    "larger pictures": "2911c4bbcb705773fb83bbb3c4446745a8ba1b321dc9af911ea138893387858e",
    "middle pictures": "fe0526f7d37611c29f74f7a201bff30dfb444f83322106774f45288da801db55",
    "large pictures": "523af5085893aa4dee65eaf8184e16163c5c6d4168e0df82affc68a49b98f1ba",
    "small pictures, thorough": "5010dc443336771558ce85613a469ef8a0705ac1d7ed54487ccf3418d6dd95ec",
    "many small, thorough": "778b3f736256ab3e501e935e024edcb76d270045c92d034451fe7e6b930d5166",
    "many larger, thorough": "c453f126b0d4bb695325181ad3e8ba6c4dd962e2eae36f605236325bb6bcba45",
}
"""Digests of version 11, of before classes of larger pictures were searched by themselves."""
WRITTEN_AS_12 = {
    "paper": "de4ecdeb7863f05d5a4b851f57375b7686855d0dadfe05a883f9a38302995e03",
    "default": "e6a0bb218a5ecd1b9a1977ebcd1c93e0c3cedc4f2b1e4a208c4f9ee033599f3d",
    "larger pictures": "7b56fc759eba80d24be9a78aafcc42c5149fc5fd66dcecebb12d17756efcb325",
    "middle pictures": "d9c536b482b5d7fbd82a9a2a7669ecba72873bb4e90f233f7abfb9ae9b077e4c",
    "large pictures": "8aadac1fb8b710af0fd0bad9e3634e8d908f9de86f42d5ecdee26d665a6b4af5",
    "small pictures, thorough": "1bb6f3a4d9162a0abd460f62276d0d4d39211613dfc891d5540d8fc57266339c",
    "many small, thorough": "a79648aa13c6a1df08d841cdd2d246b61fa9771b781abc75017ebe8e7dbabbe5",
    "many larger, thorough": "e84cd31b640a377093cdf30578a65cb2a7ffd6fe21fbc5b3a3bf67e2dc577da0",
}
"""Digests of version 12, of before a found patch was asked what tells it from natural ones."""
WRITTEN_AS_13 = {
    "paper": "14a808c4e408268e21f37d3eb828dc6672fef38e647b6a98fb917ea4e8d1a84c",
    "default": "5aade1718af05e3af06c078b33f59af1e2567c4f1843ca462a9409a4dcbf900b",
    "larger pictures": "5a02e8a14eadba719e99f390b413d421c79a5facdc999a8b1bbc56fc8693a3ec",
    "middle pictures": "bb367f97328bed28d550d7f81e679b2ba1a057c42d75dc7d2bf3463add3a1c6c",
    "large pictures": "e9a33322c301694002c51098a7c2bb60bce2466844831b86132edbb294ed175a",
    "small pictures, thorough": "f0e1e9072ba036af170e623364a484ab6192f890c2e4d5b54741490cd9e7b9e3",
    "many small, thorough": "790be7e878dafe2a182d0735fac0642dfd8a69f0375ec6a830d20f20b52ba73d",
    "many larger, thorough": "d90ef2a9ce68af198a8c1f1bf64b2dfbec791a0203c7c7b766778e3f6661e35f",
}
"""Digests of version 13, of before further searches asked that."""
WRITTEN_AS_14 = {
    "paper": "9227876b88408fffad4f13fc64916416ee528a29e0d174e6479ac9ed0e4fc7c3",
    "default": "7f73a107251f71d543c34a4c5e1dbaec54196e22051ac51c299b9c0a4bf32e43",
    "larger pictures": "c2955be17cd4607c1f3985a4c976ae0a5b01e169806d3943ce0fc01cb00455a4",
    "middle pictures": "37e22e2bdb137e8957bf311371cc1f612d0b1dcd32d156184599bed8425bb418",
    "large pictures": "1ea6897404935ef82ad6500ed115e93d7cd4b2e106de78851a7f190048db502b",
    "small pictures, thorough": "116313302740e1add60ccec1808d8f6621c977515903ae13b733ac275b7324a0",
    "many small, thorough": "7df512c8121b6bb8063e67417f50548184bbe1e5ae7dbe15443d61ff803eeb80",
    "many larger, thorough": "84b846e4479a2cd3131feb67265e5848ffd8adfab88a24caf8ca8ce7d4c24670",
}
"""Digests of version 14, of before more clean models judged what was found."""
WRITTEN_AS_15 = {
    "paper": "67d0e2915f0c1b9c13718de428842ca0ce079cf87ef5b92083deb0978e21af25",
    "default": "885e6bc5b3b0f60b4abcfb8805296a0a4edde3a33cbb1b7d6eebf5283600239b",
    "larger pictures": "cdbee505afcd59754dfecc910c3eb18e8f9d665c5f004fa07290d7c711d12e21",
    "middle pictures": "8f384b6d1213d15d7f97f95e8444b93b302b749d55e854a123d62b6936984d58",
    "large pictures": "ef2841cb2e09245ae9ff72378cd2e626182ae8d1c0fe97de3c3ac6b1f5053903",
    "small pictures, thorough": "3f227187ac87a686b0f43484aca2994fd02ac49114bc399f9e6e309d9c06057f",
    "many small, thorough": "a3a66edc3fd0568ff62e19173bf553e79365c2252bc2a10ba1c9826573dd1528",
    "many larger, thorough": "30b3a8cee0ba1608e413754094b5cb4e6796bb0e7831d0ef54d5d15b91d5520d",
}
"""Digests of version 15, of before patches on small pictures were asked what tells planted ones."""
WRITTEN_NOW = {
    "paper": "d7f84dad3392f16ed293ae108ee1db81e687dc5c9c3055877841bd0782722af0",
    "default": "f101d8bf22cab0fa14c70ac4914fcdcf7ed762f539a22da1f4257c18979a8c48",
    "larger pictures": "6f586620060b8efa5804da9616bdd782ed77b1ad7a8010c571be1ad3a7f00645",
    "middle pictures": "f8cbfa292ae4b9b22d323107e95db290cf968edd59f1c193453acef1d2a639c7",
    "large pictures": "e4092a57796d62794e440572532d93b3efaa9bca74e38092407a0b13790e0262",
    "small pictures, thorough": "ba09a1d9402d6b32957ade68028c5cbe244a75bc2c0f0a8b54de59250ebf80a0",
    "many small, thorough": "857f2e482cbab34b9b7e5747b9aa54fa75e2e9a646a1a88cc47617fc7f2d1b5c",
    "many larger, thorough": "a9d75c91a18b0f9a6f9e884f31ac664d16a7c4e0780b7f034346e6b1005be7f3",
}
"""Digests of version 16: what they cover and how may not change unless the version does."""


def images(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return (np.random.default_rng(3).integers(0, 256, shape) / 255).astype(np.float32)


def plan_of(case: str, version: int = PLAN_VERSION) -> AuditPlan:
    count, channels, height, width = shape = SHAPES[case]
    low, high = (0.0,) * channels, (1.0,) * channels
    refs = [str(number) for number in range(count)]
    settings = AuditSettings(**{**EVERY, **SETTINGS[case]})
    spec = InputSpec((channels, height, width), low, high)
    return build_plan(images(shape), np.arange(count) % 5, refs, settings, spec, version)


EVERY: dict[str, Any] = {
    "planes": 20, "density": 100, "expansion": 5.0, "alpha": 10.0, "ats_threshold": 0.5, "seed": 0,
    "canaries": 150, "trigger_search": True, "per_source": False, "families": False,
    "sampler": "paper", "points": 16, "pictures": 0, "stop_early": True,
    "effort": "standard",
}  # fmt: skip
"""Every setting, so that no default has a part in a digest."""


@pytest.mark.parametrize("case", WRITTEN_BY_0_1)
def test_a_plan_of_version_2_has_the_digest_that_release_0_1_wrote(case: str) -> None:
    assert plan_of(case, 2).digest == WRITTEN_BY_0_1[case]


@pytest.mark.parametrize("case", WRITTEN_BY_0_2)
def test_a_plan_of_version_3_has_the_digest_that_release_0_2_wrote(case: str) -> None:
    assert plan_of(case, 3).digest == WRITTEN_BY_0_2[case]


@pytest.mark.parametrize("case", WRITTEN_AS_4)
def test_a_digest_of_version_4_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 4).digest == WRITTEN_AS_4[case]


@pytest.mark.parametrize("case", WRITTEN_AS_5)
def test_a_digest_of_version_5_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 5).digest == WRITTEN_AS_5[case]


@pytest.mark.parametrize("case", WRITTEN_AS_6)
def test_a_digest_of_version_6_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 6).digest == WRITTEN_AS_6[case]


@pytest.mark.parametrize("case", WRITTEN_AS_7)
def test_a_digest_of_version_7_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 7).digest == WRITTEN_AS_7[case]


@pytest.mark.parametrize("case", WRITTEN_AS_8)
def test_a_digest_of_version_8_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 8).digest == WRITTEN_AS_8[case]


@pytest.mark.parametrize("case", WRITTEN_AS_9)
def test_a_digest_of_version_9_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 9).digest == WRITTEN_AS_9[case]


@pytest.mark.parametrize("case", WRITTEN_AS_10)
def test_a_digest_of_version_10_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 10).digest == WRITTEN_AS_10[case]


@pytest.mark.parametrize("case", WRITTEN_AS_11)
def test_a_digest_of_version_11_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 11).digest == WRITTEN_AS_11[case]


@pytest.mark.parametrize("case", WRITTEN_AS_12)
def test_a_digest_of_version_12_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 12).digest == WRITTEN_AS_12[case]


@pytest.mark.parametrize("case", WRITTEN_AS_13)
def test_a_digest_of_version_13_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 13).digest == WRITTEN_AS_13[case]


@pytest.mark.parametrize("case", WRITTEN_AS_14)
def test_a_digest_of_version_14_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 14).digest == WRITTEN_AS_14[case]


@pytest.mark.parametrize("case", WRITTEN_AS_15)
def test_a_digest_of_version_15_stays_what_it_is(case: str) -> None:
    assert plan_of(case, 15).digest == WRITTEN_AS_15[case]


@pytest.mark.parametrize("case", WRITTEN_NOW)
def test_a_digest_of_version_16_stays_what_it_is(case: str) -> None:
    assert plan_of(case).digest == WRITTEN_NOW[case]


def test_larger_pictures_are_searched_label_by_label_only_and_only_since_version_4() -> None:
    assert plan_of("larger pictures").by_label_only
    assert plan_of("larger pictures", 3).by_label is None
    assert plan_of("default").by_label is None


def test_pictures_of_two_tones_are_a_setting_of_the_search_since_version_5() -> None:
    pictures = np.random.default_rng(3).integers(0, 2, (60, 1, 8, 8)).astype(np.float32)
    plans = {
        version: build_plan(
            pictures, np.arange(60) % 5, [str(number) for number in range(60)],
            AuditSettings(**{**EVERY, **FRUGAL, "expansion": 2.0}),
            InputSpec((1, 8, 8), (0.0,), (1.0,)), version,
        )
        for version in (4, 5)
    }  # fmt: skip
    assert plans[5].trigger.two_toned
    assert not plans[4].trigger.two_toned
    assert "two_toned" not in plans[4].stated_trigger()
    assert plans[5].at_version(4).digest == plans[4].digest
    assert plans[5].most_trigger_queries > plans[4].most_trigger_queries
    assert not plan_of("default").trigger.two_toned


@pytest.mark.parametrize("effort", ["quick", "standard", "thorough", "exhaustive"])
def test_small_pictures_are_searched_label_by_label_too_from_thorough_on(effort: Effort) -> None:
    plan = plan_of("small pictures, thorough").at_effort(effort)
    assert not plan.by_label_only
    dearer = effort in {"thorough", "exhaustive"}
    before = plan.at_version(15)
    assert before.by_label == (EFFORTS[effort] if dearer else None)
    if dearer:
        asked = dataclasses.replace(EFFORTS["thorough"], order_images=ORDER_IMAGES)
        further = ("small-patch4",) * 5 if effort == "exhaustive" else ()
        assert plan.by_label == dataclasses.replace(asked, further=further)
    assert plan.at_version(5).by_label == (EFFORTS["thorough"] if dearer else None)
    cheaper = plan.at_effort("standard").most_trigger_queries
    assert (plan.most_trigger_queries > cheaper) is dearer
    assert plan.at_version(4).by_label is None


@pytest.mark.parametrize("lacking", [{"encoding": "jpeg:90"}, {"classes": 4}, {"side": 20}])
def test_small_pictures_unlike_the_measured_ones_are_not(lacking: dict[str, Any]) -> None:
    side, classes = lacking.get("side", 28), lacking.get("classes", 5)
    spec = InputSpec((1, side, side), (0.0,), (1.0,), encoding=lacking.get("encoding", "png"))
    settings = AuditSettings(**{**EVERY, "planes": 3, "effort": "thorough"})
    refs = [str(number) for number in range(60)]
    plan = build_plan(images((60, 1, side, side)), np.arange(60) % classes, refs, settings, spec)
    assert plan.by_label is None
    assert plan.most_trigger_queries > 0


@pytest.mark.parametrize(
    ("side", "effort", "fine"),
    [
        (28, "thorough", False), (96, "standard", False), (96, "thorough", False),
        (97, "standard", True), (97, "thorough", True), (97, "quick", False),
    ],
)  # fmt: skip
def test_large_pictures_are_asked_again_where_patches_led_to_a_label_since_version_9(
    side: int,
    effort: Effort,
    fine: bool,  # noqa: FBT001 - parametrised
) -> None:
    plan = sized(side, effort)
    for version, changed in ((8, False), (9, fine), (PLAN_VERSION, fine)):
        by_label = plan.at_version(version).by_label
        assert by_label is not None
        # Since version 13 a found patch is asked more, too.
        asked = dataclasses.replace(by_label, order_images=0)
        assert asked == (FINE if changed else EFFORTS)[effort]
    assert "focus" not in stated(plan.at_version(8))
    assert "focus" in stated(plan)


@pytest.mark.parametrize(
    ("side", "further"),
    [
        (28, ["small-patch4"] * 5), (47, ["small-patch4"] * 5), (97, ["small-fine5"] * 3),
        (96, ["small-fine5", "small-patch4"] * 2 + ["small-fine5"]),
    ],
)  # fmt: skip
def test_exhaustive_is_thorough_and_further_searches_for_patches_since_version_10(
    side: int, further: list[str]
) -> None:
    plan = sized(side, "exhaustive")
    before, asked = plan.at_version(9), plan.by_label
    assert before.by_label == EFFORTS["exhaustive"]
    assert "further" not in stated(before)
    assert asked is not None
    assert list(asked.further) == further
    thorough = plan.at_effort("thorough")
    assert dataclasses.replace(asked, further=()) == thorough.by_label
    assert stated(plan)["further"] == tuple(further)
    assert plan.most_trigger_queries > thorough.most_trigger_queries
    # Of small pictures since version 16.
    earlier = plan.at_version(15).by_label
    assert (earlier == asked) is (side > SUCCESS_SIDES[1])


@pytest.mark.parametrize(
    ("side", "effort", "told"),
    [
        (96, "standard", True), (64, "thorough", True), (72, "exhaustive", True),
        (96, "quick", False), (63, "thorough", False), (97, "thorough", False),
    ],
)  # fmt: skip
def test_a_found_patch_is_told_from_natural_ones_where_that_was_measured_since_version_13(
    side: int,
    effort: Effort,
    told: bool,  # noqa: FBT001 - parametrised
) -> None:
    plan = sized(side, effort)
    assert plan.by_label is not None
    assert plan.by_label.order_images == (ORDER_IMAGES if told else 0)
    assert stated(plan)["order_images"] == plan.by_label.order_images
    before = plan.at_version(12)
    assert "order_images" not in stated(before)
    assert before.by_label == dataclasses.replace(plan.by_label, order_images=0)
    assert (plan.most_trigger_queries > before.most_trigger_queries) is told
    first = plan.at_version(13)
    # Then it was not asked in further searches.
    assert first.by_label == plan.by_label
    fewer = first.most_trigger_queries < plan.most_trigger_queries
    assert fewer is (told and effort == "exhaustive")


def sized(side: int, effort: Effort) -> AuditPlan:
    """The plan of an audit of sixty square pictures."""
    spec = InputSpec((1, side, side), (0.0,), (1.0,))
    settings = AuditSettings(**{**EVERY, "planes": 3, "effort": effort})
    refs = [str(number) for number in range(60)]
    return build_plan(images((60, 1, side, side)), np.arange(60) % 5, refs, settings, spec)


def stated(plan: AuditPlan) -> dict[str, Any]:
    """What the plan says of its search label by label."""
    refs = [str(number) for number in range(60)]
    said: dict[str, Any] = plan.as_dict(refs)["trigger_search"]["by_label"]
    return said


def content(**changes: Any) -> PlanContent:
    made = PlanContent(
        EVERY, dataclasses.asdict(TriggerSettings()), None, [0, 1], "images", "sources", ["a", "b"]
    )
    return dataclasses.replace(made, **changes)


CHANGES: dict[str, Any] = {
    "settings": {**EVERY, "seed": 1},
    "trigger": {**dataclasses.asdict(TriggerSettings()), "budget": 1},
    "by_label": {"rounds": 1},
    "search_classes": [1, 0],
    "search_images": "other images",
    "source_images": "other sources",
    "probes": ["b", "a"],
}


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
def test_a_digest_covers_all_of_the_content(version: int) -> None:
    assert set(CHANGES) == {entry.name for entry in dataclasses.fields(PlanContent)}
    # Earlier versions never searched label by label, or classes by themselves apart.
    since = {"by_label": 4, "source_images": 11}
    changes = {name: one for name, one in CHANGES.items() if version >= since.get(name, 0)}
    made = {plan_digest(content(**{name: changed}), version) for name, changed in changes.items()}
    assert len(made | {plan_digest(content(), version)}) == len(changes) + 1
    assert len({plan_digest(content(), known) for known in READABLE_VERSIONS}) == 15


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
def test_a_digest_is_the_same_from_a_record(version: int) -> None:
    held = json.loads(json.dumps(dataclasses.asdict(content())))
    assert plan_digest(PlanContent(**held), version) == plan_digest(content(), version)


def test_a_digest_of_version_2_knows_the_settings_of_release_0_1_alone() -> None:
    more = content(settings={**EVERY, "later": 1}, trigger={**content().trigger, "later": 1})
    assert plan_digest(more, 2) == plan_digest(content(), 2)
    assert plan_digest(more, 3) != plan_digest(content(), 3)
