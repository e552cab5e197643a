"""A torch module: asked in eval mode, without gradients, on the device where it is."""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

from numpy.typing import NDArray

from adapters.contract import Fit, InputSpec
from adapters.model_files.loaded_model import ModelFacts
from adapters.model_files.torchscript import pick_reply


def read(model: Any) -> TorchObject:
    """``model``, a torch ``Module``, as an object that answers."""
    return TorchObject(model)


class TorchObject:
    """A torch module, and the modes of its parts to give back."""

    fit: Fit | None = None

    def __init__(self, model: Any) -> None:
        self._torch = importlib.import_module("torch")
        self._model = model
        self._training: list[Any] = []
        first = next((p for p in model.parameters() if p.is_floating_point()), None)
        self._device = self._torch.device("cpu") if first is None else first.device
        self._dtype = self._torch.float32 if first is None else first.dtype
        self.digest = weights_digest(self._torch, model)
        self.facts = self._facts()

    def _facts(self) -> ModelFacts:
        torch = self._torch
        half = {torch.float16: "float16", torch.float64: "float64"}
        return ModelFacts(
            dtype=half.get(self._dtype, "float32"),
            layout="NCHW",  # torch's own order
            format="torch module",
            identity=f"{self._device.type} torch {torch.__version__}",
            description={
                "format": "torch module",
                "class": type(self._model).__qualname__,
                "runtime": f"torch {torch.__version__}",
                "device": str(self._device),
            },
        )

    def enter(self, spec: InputSpec) -> None:  # noqa: ARG002 - a module does not state its input
        """See :class:`adapters.objects.model_object.ModelObject`."""
        self._training = [part for part in self._model.modules() if part.training]
        if self._training:
            self._model.eval()

    def infer(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """See :class:`adapters.objects.model_object.ModelObject`."""
        torch = self._torch
        own = tensor if tensor.flags.writeable else tensor.copy()
        with torch.inference_mode():
            pixels = torch.from_numpy(own).to(device=self._device, dtype=self._dtype)
            return pick_reply(torch, self.call(pixels), len(tensor))

    def call(self, pixels: Any) -> Any:
        """The module's own reply to ``pixels``."""
        return self._model(pixels)

    def leave(self) -> None:
        """See :class:`adapters.objects.model_object.ModelObject`."""
        for part in self._training:
            part.training = True
        self._training = []


def weights_digest(torch: Any, model: Any) -> str:
    """SHA-256 over the names and values of the weights and buffers of ``model``."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not isinstance(value, torch.Tensor):
            continue  # an "extra state" of any kind
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()
