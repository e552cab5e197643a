from pathlib import Path

import numpy as np
import pytest

from examples.zoo import apply_trigger
from examples.zoo.errors import ModelFileError
from examples.zoo.triggers import Trigger, load_trigger, save_trigger
from examples.zoo.triggers.choose import ATTACKS, LEARNED, draw_options, make_trigger

SHAPES = [(1, 28, 28), (3, 32, 32)]
DRAWN = [attack for attack in ATTACKS if attack not in LEARNED]


def residual_trigger(shape: tuple[int, int, int]) -> Trigger:
    rng = np.random.default_rng(5)
    channels, side, _ = shape
    arrays = {
        "weight1": rng.standard_normal((4, channels + 1, 3, 3)),
        "bias1": rng.standard_normal(4),
        "weight2": rng.standard_normal((channels, 4, 3, 3)),
        "bias2": rng.standard_normal(channels),
        "code": rng.standard_normal((1, side, side)),
        "strength": np.array(0.1),
    }
    return Trigger("residual", {key: value.astype(np.float32) for key, value in arrays.items()})


def drawn_trigger(attack: str, shape: tuple[int, int, int], seed: int) -> Trigger:
    rng = np.random.default_rng(seed)
    return make_trigger(attack, shape, draw_options(attack, shape[0], rng), rng)


def images(shape: tuple[int, int, int]) -> np.ndarray:
    whole = np.random.default_rng(1).integers(0, 256, (6, *shape))
    return (whole / 255).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("attack", DRAWN)
def test_a_trigger_changes_images_and_stays_an_8_bit_picture(
    attack: str, shape: tuple[int, int, int]
) -> None:
    clean = images(shape)
    stamped = drawn_trigger(attack, shape, seed=3).apply(clean)
    assert stamped.shape == clean.shape
    assert stamped.dtype == np.float32
    assert 0.0 <= stamped.min() <= stamped.max() <= 1.0
    assert np.allclose(stamped * 255, np.rint(stamped * 255), atol=1e-3)
    assert np.all(np.any(stamped != clean, axis=(1, 2, 3)))


@pytest.mark.parametrize("attack", DRAWN)
def test_a_trigger_is_a_function_of_its_seed(attack: str) -> None:
    clean = images((3, 32, 32))
    first = drawn_trigger(attack, (3, 32, 32), seed=3).apply(clean)
    again = drawn_trigger(attack, (3, 32, 32), seed=3).apply(clean)
    assert np.array_equal(first, again)


def test_chunks_do_not_change_the_answer() -> None:
    clean = images((1, 28, 28))
    trigger = drawn_trigger("bpp", (1, 28, 28), seed=2)
    assert np.array_equal(trigger.apply(clean, chunk=2), trigger.apply(clean))


def test_a_patch_touches_only_its_box() -> None:
    rng = np.random.default_rng(0)
    options = {"size": 3, "place": "bottom-right", "style": "white"}
    clean = images((1, 28, 28))
    stamped = make_trigger("badnets", (1, 28, 28), options, rng).apply(clean)
    assert np.all(stamped[:, :, 24:27, 24:27] == 1.0)
    changed = np.any(stamped != clean, axis=(0, 1))
    assert changed.sum() <= 9
    assert not changed[:24].any()


def test_a_sample_specific_residual_is_bounded_and_differs_between_images() -> None:
    clean = images((3, 32, 32))
    change = residual_trigger((3, 32, 32)).apply(clean) - clean
    assert np.abs(change).max() <= 0.1 + 0.5 / 255 + 1e-6
    assert not np.allclose(change[0], change[1])


def test_a_saved_trigger_stamps_alike(tmp_path: Path) -> None:
    clean = images((1, 28, 28))
    trigger = residual_trigger((1, 28, 28))
    save_trigger(trigger, tmp_path / "model.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]
    assert np.array_equal(load_trigger(tmp_path / "model.npz").apply(clean), trigger.apply(clean))
    assert np.array_equal(apply_trigger("model", clean, tmp_path), trigger.apply(clean))


def test_a_damaged_trigger_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(ModelFileError, match=r"model\.npz"):
        load_trigger(path)


def test_the_numpy_residual_is_what_torch_trained() -> None:
    torch = pytest.importorskip("torch")
    from examples.zoo.learned import Residual  # noqa: PLC0415 - needs torch

    torch.manual_seed(0)
    network = Residual(3, 0.1)
    code = np.random.default_rng(0).choice([-1.0, 1.0], (1, 32, 32)).astype(np.float32)
    clean = images((3, 32, 32))
    with torch.no_grad():
        planes = torch.from_numpy(code).expand(len(clean), 1, 32, 32)
        expected = network(torch.from_numpy(clean), planes).numpy()
    stamped = network.trigger(code).apply(clean)
    assert np.abs(stamped - expected).max() <= 0.5 / 255 + 1e-5
