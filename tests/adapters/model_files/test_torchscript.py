from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from adapters.errors import (
    AdapterError,
    BadReply,
    InputRejected,
    MissingExtra,
    ModelFileError,
    ProviderUnavailable,
    TargetError,
)
from adapters.model_files.open import open_oracle
from adapters.target import HttpOptions, ReplyFormat, Target

Write = Callable[..., str]
Reference = Callable[..., NDArray[Any]]

SHAPE = (3, 6, 5)


def target(location: str, **how: Any) -> Target:
    how.setdefault("trust_model_file", True)
    if location.endswith(".pt"):
        how.setdefault("shape", SHAPE)
    return Target("torchscript", location, **how)


def opened(location: str, **how: Any) -> LabelOracle:
    async def go() -> LabelOracle:
        oracle = await open_oracle(target(location, **how))
        await oracle.aclose()
        return oracle

    return asyncio.run(go())


def ask(location: str, batch: NDArray[Any], **how: Any) -> NDArray[np.int64]:
    async def go() -> NDArray[np.int64]:
        oracle = await open_oracle(target(location, **how))
        try:
            return await oracle.predict_labels(batch)
        finally:
            await oracle.aclose()

    return asyncio.run(go())


def refusal(kind: type[AdapterError], location: str, **how: Any) -> str:
    with pytest.raises(kind) as caught:
        opened(location, **how)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
@pytest.mark.parametrize("reply", ["scores", "labels", "pair", "table", "brain"])
def test_every_kind_of_reply_gives_labels(
    torch_file: Write, batch: NDArray[Any], reference: Reference, suffix: str, reply: str
) -> None:
    labels = ask(torch_file(suffix, reply=reply), batch)
    agree = np.mean(labels == reference(batch))
    # 8 bits of mantissa may tie where the reference does not.
    assert agree >= (0.8 if reply == "brain" else 1.0)


class Several(torch.nn.Module):
    """Says the first of five, the second of four under the name ``logits`` and the last of four."""

    def __init__(self, *, table: bool) -> None:
        super().__init__()
        self.table = table

    def forward(self, x: torch.Tensor) -> Any:
        zero = x.flatten(1).sum(1, keepdim=True) * 0
        first, second, last = (zero + torch.eye(n)[k] for n, k in ((5, 0), (4, 1), (4, 3)))
        return {"aux": first, "logits": second, "z": last} if self.table else (first, second, last)


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize(
    ("suffix", "table", "label", "others"),
    [
        (".pt", False, 0, ["1", "2"]),
        (".pt2", False, 0, ["1", "2"]),
        (".pt2", True, 1, ["aux", "z"]),
    ],
)
def test_of_several_outputs_the_named_or_the_likeliest_is_read(
    tmp_path: Path,
    batch: NDArray[Any],
    suffix: str,
    table: bool,  # noqa: FBT001 - a test's parameter
    label: int,
    others: list[str],
) -> None:
    path, example = tmp_path / f"several{suffix}", torch.from_numpy(batch)
    module = Several(table=table).eval()
    if suffix == ".pt":
        torch.jit.trace(module, example).save(path)  # type: ignore[no-untyped-call]
    else:
        torch.export.save(torch.export.export(module, (example,)), path)
    assert set(ask(str(path), batch).tolist()) == {label}
    assert opened(str(path)).description["other_outputs"] == others
    wanted = HttpOptions(reply=ReplyFormat(path=others[-1]))
    assert set(ask(str(path), batch, http=wanted).tolist()) == {3}
    with pytest.raises(BadReply, match="no output 'feat', only"):
        ask(str(path), batch, http=HttpOptions(reply=ReplyFormat(path="feat")))


class Ranked(torch.nn.Module):
    """The three best of five scores and their classes, of which the best is the class 3."""

    def forward(self, x: torch.Tensor) -> Any:
        zero = x.flatten(1).sum(1, keepdim=True) * 0
        return tuple(torch.topk(zero + 5 * torch.eye(5)[3], 3))


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
@pytest.mark.parametrize("wanted", ["", "1"])
def test_of_the_best_scores_and_their_classes_the_first_class_is_the_label(
    tmp_path: Path, batch: NDArray[Any], suffix: str, wanted: str
) -> None:
    path, example = tmp_path / f"ranked{suffix}", torch.from_numpy(batch)
    if suffix == ".pt":
        torch.jit.trace(Ranked(), example).save(path)  # type: ignore[no-untyped-call]
    else:
        torch.export.save(torch.export.export(Ranked(), (example,)), path)
    labels = ask(str(path), batch, http=HttpOptions(reply=ReplyFormat(path=wanted)))
    assert set(labels.tolist()) == {3}


def test_a_script_is_asked_in_eval_mode(
    torch_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    assert ask(torch_file(".pt", reply="train"), batch).tolist() == reference(batch).tolist()


def test_a_script_needs_a_shape_an_export_tells_it(torch_file: Write) -> None:
    assert "--shape C,H,W" in refusal(TargetError, torch_file(".pt"), shape=None)
    exported = opened(torch_file(".pt2"))
    assert exported.input_spec.shape == SHAPE
    assert exported.label_space.size == 4
    assert "does not fit" in refusal(TargetError, torch_file(".pt2"), shape=(3, 8, 8))


@pytest.mark.parametrize(
    ("allowed", "most"), [(5, 5), ((1, 8), 8), ((3, 8), 8), (None, 256)], ids=str
)
def test_an_exported_batch_range_is_kept_to(
    torch_file: Write,
    batch: NDArray[Any],
    reference: Reference,
    allowed: Any,
    most: int,
) -> None:
    path = torch_file(".pt2", batch=allowed)
    assert opened(path).max_batch == most
    for n in (1, 2, 5):
        assert ask(path, batch[:n]).tolist() == reference(batch[:n]).tolist()


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_the_model_decides_the_input_type(
    torch_file: Write, batch: NDArray[Any], suffix: str, dtype: str
) -> None:
    oracle = opened(torch_file(suffix, dtype=dtype))
    assert oracle.description["input"]["dtype"] == dtype
    assert len(ask(torch_file(suffix, dtype=dtype), batch)) == len(batch)


def test_the_number_of_classes_is_learned_from_the_first_reply(
    torch_file: Write, batch: NDArray[Any]
) -> None:
    async def go() -> None:
        oracle = await open_oracle(target(torch_file(".pt")))
        sizes = [oracle.label_space.size]
        await oracle.predict_labels(batch)
        sizes.append(oracle.label_space.size)
        assert sizes == [None, 4]
        await oracle.aclose()

    asyncio.run(go())


def test_class_names_that_do_not_fit_show_at_the_first_reply(
    torch_file: Write, batch: NDArray[Any]
) -> None:
    assert "4 classes" in refusal(TargetError, torch_file(".pt2"), classes=("a", "b"))
    with pytest.raises(BadReply, match="4 classes where 2"):
        ask(torch_file(".pt"), batch, classes=("a", "b"))


def test_a_reply_without_labels_is_a_bad_reply(torch_file: Write, batch: NDArray[Any]) -> None:
    with pytest.raises(BadReply, match="one number about two classes"):
        ask(torch_file(".pt", reply="mean"), batch)
    with pytest.raises(BadReply, match="single class"):
        ask(torch_file(".pt", reply="one"), batch)
    assert "single class" in refusal(ModelFileError, torch_file(".pt2", reply="one"))


def test_a_read_only_batch_is_fine(
    torch_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    frozen = batch.copy()
    frozen.flags.writeable = False
    assert ask(torch_file(".pt"), frozen).tolist() == reference(batch).tolist()


def test_a_failing_run_asks_for_fewer_inputs(torch_file: Write) -> None:
    with pytest.raises(InputRejected) as caught:
        ask(torch_file(".pt"), np.zeros((2, 3, 7, 5), np.float32), shape=(3, 7, 5))
    assert caught.value.advice.kind == "too-large"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
@pytest.mark.parametrize("kind", ["empty", "text", "cut", "pickle", "other"])
def test_a_corrupt_file_is_refused_quietly(
    torch_file: Write,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    suffix: str,
    kind: str,
) -> None:
    path = tmp_path / f"bad{suffix}"
    if kind == "pickle":
        torch.save({"w": torch.zeros(2)}, path)
    else:
        good = Path(torch_file(suffix)).read_bytes()
        other = Path(torch_file(".pt" if suffix == ".pt2" else ".pt2")).read_bytes()
        contents = {"empty": b"", "text": b"abc" * 99, "cut": good[:-99], "other": other}
        path.write_bytes(contents[kind])
    capfd.readouterr()
    assert f"bad{suffix} is not a" in refusal(ModelFileError, str(path))
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    assert "does not exist" in refusal(ModelFileError, str(tmp_path / "none.pt"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_missing_gpu_is_refused(torch_file: Write, device: str) -> None:
    assert "0 CUDA devices" in refusal(ProviderUnavailable, torch_file(".pt"), device=device)


def test_a_gpu_number_beyond_the_last_is_refused(
    torch_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert "1 CUDA devices" in refusal(ProviderUnavailable, torch_file(".pt"), device="cuda:1")


def test_a_missing_mps_is_refused(torch_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert "mps" in refusal(ProviderUnavailable, torch_file(".pt"), device="mps")


@pytest.mark.parametrize("device", ["gpu", "cpu:0", "tensorrt", "meta"])
def test_unknown_devices_are_named(torch_file: Write, device: str) -> None:
    assert repr(device) in refusal(TargetError, torch_file(".pt"), device=device)


def test_missing_torch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "xray-audit[torchscript]" in refusal(MissingExtra, "model.pt")


def test_threads_are_the_runtime_s(torch_file: Write) -> None:
    before = torch.get_num_threads()
    try:
        assert opened(torch_file(".pt"), threads=1).description["threads"] == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("suffix", "form"), [(".pt", "TorchScript"), (".pt2", "torch.export")])
def test_the_description_says_what_ran(torch_file: Write, suffix: str, form: str) -> None:
    path = torch_file(suffix)
    facts = opened(path).description
    assert facts["format"] == form
    assert facts["runtime"] == f"torch {torch.__version__}"
    assert str(Path(path).parent) not in json.dumps(facts)
