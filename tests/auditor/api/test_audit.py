"""``from auditor import audit``: every kind of target, notebooks, interruptions."""

from __future__ import annotations

import asyncio
import inspect
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import auditor
from adapters.errors import AdapterError, BadReply
from adapters.synthetic import nearest_prototype, synthetic_prototypes
from adapters.target import Limits, Target
from auditor import AuditInterrupted, AuditReport, audit, audit_async
from auditor.engine.progress import Progress
from auditor.errors import ExitCode, LabelsPending, SamplesError, UsageError
from auditor.samples.samples import Samples

MakeOracle = Callable[..., Any]
QUICK: dict[str, Any] = {"planes": 8, "canaries": 5, "progress": False}
label_of = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Ctrl-C is heeded, also where the suite runs in the background and its shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    """Ctrl-C, as a terminal or a notebook sends it: the main thread gets it."""
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGINT)


class Counting:
    """The known classifier, counting what it is asked."""

    def __init__(self, *, after: Callable[[int], None] | None = None) -> None:
        self.images = 0
        self._after = after

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        self.images += len(images)
        if self._after is not None:
            self._after(self.images)
        return label_of(images)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, auditor; auditor.__version__; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_is_exported_is_there_and_nothing_else_is_invented() -> None:
    assert set(auditor.__all__) <= set(dir(auditor))
    assert all(getattr(auditor, name) is not None for name in auditor.__all__)
    assert issubclass(auditor.SamplesError, auditor.AuditError)


@pytest.mark.parametrize("function", [auditor.audit, auditor.audit_async])
def test_a_console_completes_the_options(function: Any) -> None:
    known = inspect.signature(function).parameters
    assert {"target", "max_queries", "effort", "access", "value_range"} <= set(known)
    assert "options" not in known
    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        auditor.adit  # noqa: B018 - that is the point


def test_a_function_gives_the_report_of_the_same_model_as_an_oracle(
    samples: Samples, make_oracle: MakeOracle, tmp_path: Path
) -> None:
    one = audit(label_of, samples, output=tmp_path / "a", **QUICK)
    oracle = make_oracle()
    two = audit(oracle, samples, output=tmp_path / "b", **QUICK)
    assert one.data["planes"] == two.data["planes"]
    assert one.data["plan_digest"] == two.data["plan_digest"]
    assert one.data["model"]["kind"] == "function"
    assert (tmp_path / "a" / "report.json").is_file()


def test_arrays_are_samples(samples: Samples, tmp_path: Path) -> None:
    classes = np.array([int(name) for name in samples.classes])
    report = audit(label_of, (samples.images, classes), output=tmp_path / "a", **QUICK)
    expected = audit(label_of, samples, output=tmp_path / "b", **QUICK)
    assert report.scores == expected.scores
    assert report.data["samples"]["accuracy"] == 1.0


def test_a_file_and_a_target_are_targets(assets: Path, tmp_path: Path) -> None:
    how = {**QUICK, "trigger_search": False, "value_range": (0, 1), "threads": 1}
    samples = assets / "fashion-mnist-samples.npz"
    one = audit(assets / "clean.onnx", samples, output=tmp_path / "a", **how)
    target = Target("onnx", str(assets / "clean.onnx"))
    two = audit(target, samples, output=tmp_path / "b", **{**how, "value_range": (0.0, 1.0)})
    assert one.data["fingerprint"] == two.data["fingerprint"]
    assert one.scores == two.scores


def test_an_oracle_of_the_callers_stays_open(
    samples: Samples, make_oracle: MakeOracle, tmp_path: Path
) -> None:
    oracle = make_oracle()
    closed = []
    oracle.aclose = lambda: closed.append(True)
    audit(oracle, samples, output=tmp_path, **QUICK)
    assert closed == []


def test_it_works_inside_a_running_event_loop(samples: Samples, tmp_path: Path) -> None:
    async def cell() -> AuditReport:
        return audit(label_of, samples, output=tmp_path, **QUICK)

    assert asyncio.run(cell()).verdict == "inconclusive"


def test_the_awaitable_runs_on_the_callers_loop(samples: Samples, tmp_path: Path) -> None:
    loops = set()

    async def classify(images: NDArray[Any]) -> NDArray[Any]:
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return label_of(images)

    async def cell() -> AuditReport:
        report = await audit_async(classify, samples, output=tmp_path, **QUICK)
        assert loops == {asyncio.get_running_loop()}
        return report

    assert asyncio.run(cell()).scores


def test_a_named_function_is_asked_nothing_twice(samples: Samples, tmp_path: Path) -> None:
    model = Counting()
    first = audit(model, samples, output=tmp_path, name="model 1", **QUICK)
    asked = model.images
    again = audit(model, samples, output=tmp_path, name="model 1", **QUICK)
    assert model.images == asked > 0
    assert again.scores == first.scores
    audit(model, samples, output=tmp_path, name="model 2", **QUICK)
    assert model.images == 2 * asked


def test_without_a_name_old_answers_are_never_taken_for_new_ones(
    samples: Samples, tmp_path: Path
) -> None:
    # The trap of a notebook: the function is the same object, the model behind it is not.
    model = Counting()
    audit(model, samples, output=tmp_path, **QUICK)
    asked = model.images
    audit(model, samples, output=tmp_path, **QUICK)
    assert model.images == 2 * asked


def test_an_interrupt_keeps_what_was_answered_and_the_call_continues(
    samples: Samples, tmp_path: Path
) -> None:
    def interrupt(images: int) -> None:
        if images >= 60 and not pressed:
            pressed.append(images)
            press()
            time.sleep(0.1)  # a call takes a while, so the stop comes in the middle of it

    pressed: list[int] = []
    model = Counting(after=interrupt)
    how = {**QUICK, "batch": 16, "name": "model"}
    with pytest.raises(AuditInterrupted, match="the same call continues") as caught:
        audit(model, samples, output=tmp_path, **{**how, "name": "model"})
    report = caught.value.report
    assert report is not None
    assert report.exit_code == ExitCode.INTERRUPTED
    assert report.verdict == "inconclusive"
    assert report.data["partial"]
    stopped_at = model.images
    whole = audit(model, samples, output=tmp_path, **how)
    assert whole.data["queries"]["cached"] >= stopped_at > 0
    clean = Counting()
    audit(clean, samples, output=tmp_path / "other", **how)
    assert model.images == clean.images


def test_an_interrupted_unnamed_function_says_how_to_continue(
    samples: Samples, tmp_path: Path
) -> None:
    def interrupt(images: int) -> None:
        if images >= 60 and not pressed:
            pressed.append(images)
            press()
            time.sleep(0.1)  # a call takes a while, so the stop comes in the middle of it

    pressed: list[int] = []
    model = Counting(after=interrupt)
    with pytest.raises(AuditInterrupted) as caught:
        audit(model, samples, output=tmp_path, batch=16, **QUICK)
    name = str(caught.value).split("name='")[1].split("'")[0]
    asked = model.images
    report = audit(model, samples, output=tmp_path, batch=16, name=name, **QUICK)
    assert report.data["queries"]["cached"] >= asked


def test_a_second_interrupt_does_not_wait_for_the_function(
    samples: Samples, tmp_path: Path
) -> None:
    release = threading.Event()

    def hang(images: int) -> None:
        if images < 60:
            return
        press()
        time.sleep(0.3)  # the first stop is under way when the second comes
        press()
        release.wait(0.5)

    began = time.monotonic()
    with pytest.raises(AuditInterrupted) as caught:
        audit(Counting(after=hang), samples, output=tmp_path, batch=16, name="m", **QUICK)
    assert caught.value.report is None
    assert time.monotonic() - began < 20
    release.set()


def test_scores_never_get_in(samples: Samples, tmp_path: Path) -> None:
    def scores(images: NDArray[Any]) -> NDArray[Any]:
        return np.full((len(images), 5), 0.2)

    with pytest.raises(BadReply, match="argmax") as caught:
        audit(scores, samples, output=tmp_path, **QUICK)
    assert "continues it" in caught.value.__notes__[0]


def test_the_functions_own_error_is_the_cause(samples: Samples, tmp_path: Path) -> None:
    def broken(_: NDArray[Any]) -> NDArray[Any]:
        raise RuntimeError("no such layer")

    with pytest.raises(AdapterError, match="RuntimeError: no such layer") as caught:
        audit(broken, samples, output=tmp_path, **QUICK)
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"plane": 3}, "did you mean 'planes'"),
        ({"values_range": (0, 1)}, "did you mean 'value_range'"),
        ({"planes": 0}, "planes is 0"),
        ({"max_queries": 0}, "max_queries is 0"),
        ({"rate": -1}, "rate is -1"),
        ({"max_queries": 10}, "does not pay for"),
        ({"profile": "no-such"}, "no profile 'no-such'"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    samples: Samples, tmp_path: Path, how: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        audit(label_of, samples, output=tmp_path, **{**QUICK, **how})
    assert said in str(caught.value)


def test_what_is_no_target_or_no_samples_is_refused(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="int is no target"):
        audit(7, samples, output=tmp_path)
    with pytest.raises(UsageError, match="samples must be"):
        audit(label_of, 7, output=tmp_path)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(SamplesError, match="the arrays given"):
        audit(label_of, (np.zeros((4, 3)), [0, 1, 2, 3]), output=tmp_path)
    with pytest.raises(UsageError, match="name is for functions"):
        audit("http://127.0.0.1:1/", samples, name="x", output=tmp_path)


def test_the_report_shows_and_saves_itself(samples: Samples, tmp_path: Path) -> None:
    report = audit(label_of, samples, output=tmp_path / "a", name="<b>mine</b>", **QUICK)
    assert str(report).startswith("Verdict: INCONCLUSIVE")
    assert "inconclusive" in repr(report)
    assert "exit_code=3" in repr(report)
    html = report._repr_html_()
    assert "Inconclusive" in html
    assert "<b>mine</b>" not in html
    assert str(tmp_path / "a" / "report.html") in html
    assert "<script" not in html
    folder = report.save(tmp_path / "saved")
    for name in ("report.json", "report.html"):
        assert (folder / name).read_bytes() == (tmp_path / "a" / name).read_bytes()
    assert report.save(tmp_path / "one.json").read_bytes() == (folder / "report.json").read_bytes()


def test_a_report_is_not_changed_by_a_later_audit_in_the_same_folder(
    samples: Samples, tmp_path: Path
) -> None:
    first = audit(label_of, samples, output=tmp_path, name="model A", **QUICK)
    audit(label_of, samples, output=tmp_path, name="model B", **QUICK)
    assert "model A" in first.page
    assert "model B" not in first.page


def test_image_access_asks_pixels(samples: Samples, tmp_path: Path) -> None:
    kinds = set()

    def classify(images: NDArray[Any]) -> NDArray[Any]:
        kinds.add((images.dtype.name, images.shape[1:]))
        return label_of((images.transpose(0, 3, 1, 2) / 255.0).astype(np.float32))

    report = audit(classify, samples, output=tmp_path, access="image", layout="NHWC", **QUICK)
    assert kinds == {("uint8", (4, 4, 1))}
    assert report.data["access"] == "image"
    assert report.data["samples"]["accuracy"] == 1.0


def test_a_targets_own_limits_hold(samples: Samples, tmp_path: Path) -> None:
    described = Target("synthetic", "prototypes:1:5:1:4:4", limits=Limits(max_queries=200))
    how = {**QUICK, "planes": 24}
    report = audit(described, samples, output=tmp_path / "a", **how)
    assert report.data["queries"]["sent"] <= 200
    assert report.data["queries"]["budget_reached"]
    whole = audit(described, samples, output=tmp_path / "b", max_queries=1000, **how)
    assert not whole.data["queries"]["budget_reached"]


def test_files_are_a_target_too(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(LabelsPending, match="round 1"):
        audit(Target("files", str(tmp_path / "in.npz")), samples, output=tmp_path / "out", **QUICK)
    with np.load(tmp_path / "in-001.npz") as archive:
        np.savez(tmp_path / "labels.npz", id=archive["id"], label=label_of(archive["x"]))
    target = Target("files", str(tmp_path / "in.npz"), labels_file=str(tmp_path / "labels.npz"))
    report = audit(target, samples, output=tmp_path / "out", **QUICK)
    assert report.scores == audit(label_of, samples, output=tmp_path / "b", **QUICK).scores


def test_photographs_get_the_shape_in_the_stated_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "abc":
        (tmp_path / "s" / name).mkdir(parents=True)
        for item in range(3):
            array = rng.integers(0, 256, (6, 12), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / "s" / name / f"{item}.png")
    said: list[str] = []

    class Saying(Progress):
        def note(self, message: str) -> None:
            said.append(message)

    given: dict[str, Any] = {**QUICK, "progress": Saying(), "planes": 1}
    given |= {"shape": (1, 4, 4), "fit": "crop", "classes": tuple("abcde")}
    audit(label_of, tmp_path / "s", output=tmp_path / "a", trigger_search=False, **given)
    assert "Pictures: all cropped to 4x4." in said
    with pytest.raises(UsageError, match=r"fit is the way to another size: state it with shape"):
        audit(label_of, tmp_path / "s", output=tmp_path / "b", fit="crop", **QUICK)


# Model objects


def torch_model() -> Any:
    """A torch module that gives the known classifier's labels to most inputs."""
    torch = pytest.importorskip("torch")
    places = torch.from_numpy(synthetic_prototypes(1, 5, (1, 4, 4)).reshape(5, -1)).float()
    layer = torch.nn.Linear(16, 5)
    with torch.no_grad():  # the nearest prototype, as scores
        layer.weight.copy_(2 * places)
        layer.bias.copy_(-(places**2).sum(1))
    return torch.nn.Sequential(torch.nn.Flatten(), layer)


def test_a_model_object_gives_the_labels_of_the_same_function(
    samples: Samples, tmp_path: Path
) -> None:
    model = torch_model().train()
    one = audit(model, samples, output=tmp_path / "a", name="m", **QUICK)
    two = audit(label_of, samples, output=tmp_path / "b", **QUICK)
    assert one.data["planes"] == two.data["planes"]
    assert one.data["model"]["kind"] == "object"
    assert one.data["model"]["weights_sha256"]
    assert model.training


def test_a_model_object_is_asked_at_the_size_it_states(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", pretrained=False, num_classes=3)
    for label in range(3):
        for number in range(3):
            drawn = np.random.default_rng(10 * label + number).integers(0, 256, (70, 90, 3))
            picture = Image.fromarray(drawn.astype(np.uint8))
            (tmp_path / "pictures" / str(label)).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / "pictures" / str(label) / f"{number}.png")
    report = audit(model, tmp_path / "pictures", output=tmp_path / "o", **QUICK)
    side = model.pretrained_cfg["input_size"][1]
    assert report.data["input"]["shape"] == [3, side, side]


@pytest.mark.parametrize("option", ["device", "threads"])
def test_a_model_object_keeps_its_device(option: str, samples: Samples, tmp_path: Path) -> None:
    how: dict[str, Any] = {**QUICK, option: 1}
    with pytest.raises(UsageError, match=f"{option} is for model files"):
        audit(torch_model(), samples, output=tmp_path, **how)
