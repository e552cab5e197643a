"""Any function from images to labels as an oracle: a notebook's model, an SDK, a lookup."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.checks import check_batch, check_labels
from adapters.contract import Batch, LabelOracle, Labels, LabelSpace, WireCount, distinct_names
from adapters.errors import BadReply, EndpointError, RetryAdvice, TargetError
from adapters.quoting import one_line
from adapters.target import Target
from adapters.worker import Worker

Classify = Callable[[NDArray[Any]], Any]
"""Images in, one label per image out; it may be a coroutine function.

It is called with one array, ``(n, c, h, w)``, or ``(n, h, w, c)`` if the layout is ``NHWC``:
float32 in the model's own input units (``encoding`` float32), or uint8 pixels from 0 to 255
(``encoding`` uint8, the default in ``image`` access). It returns ``n`` whole numbers, the class
indices, or ``n`` class names."""

DEFAULT_BATCH = 256
ENCODINGS = ("float32", "uint8")


class FunctionOracle(LabelOracle):
    """An oracle that asks ``function``, on one thread of its own and never twice at a time; a
    coroutine function runs on the event loop. Raises TargetError without a shape, or for an
    encoding that is no array.

    Args:
        function: see :data:`Classify`.
        target: shape, range, layout, access, classes and batch; its kind and location are unused.
        name: identity of the model: answers are kept under it, and equal names mean that the
            answers would be equal too.
        named: True if the function answers with class names, and the target lists none.
    """

    def __init__(
        self, function: Classify, target: Target, name: str, *, named: bool = False
    ) -> None:
        if target.shape is None:
            raise TargetError("a function does not tell its input shape: give shape=(c, h, w)")
        encoding = target.encoding or ("uint8" if target.access == "image" else "float32")
        if encoding not in ENCODINGS:
            raise TargetError(f"encoding {encoding!r} is a file; a function takes float32 or uint8")
        if encoding == "uint8" and target.access == "float":
            raise TargetError(
                "uint8 cannot carry values outside the 8-bit range: use access 'image'"
            )
        self._function = function
        self._layout = target.layout or "NCHW"
        coroutine = inspect.iscoroutinefunction(function)
        self._worker = None if coroutine else Worker("function")
        self._context = contextvars.copy_context()
        self.input_spec = spec = target.input_spec(target.shape, encoding)
        self.label_space = LabelSpace(
            distinct_names(target.classes or ()), open=named and not target.classes
        )
        shape = "x".join(map(str, spec.shape))
        self.fingerprint = (
            f"function {name} {spec.access}/{spec.encoding} {shape} {self._layout} "
            f"black={spec.low} white={spec.high}"
        )
        qualified = getattr(function, "__qualname__", None) or type(function).__qualname__
        self.description: dict[str, Any] = {
            "kind": "function",
            "name": name,
            "function": one_line(qualified),
            "layout": self._layout,
        }
        self.max_batch = target.batch or DEFAULT_BATCH
        self.wire = WireCount()

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        images = self._images(check_batch(batch, self.input_spec, self.max_batch))
        self.wire.requests += 1
        try:
            if self._worker is None:
                answer = self._function(images)
            else:  # in the caller's context, so that what the function prints lands there
                answer = await self._worker.run(self._context.run, self._function, images)
            answer = await answer if isinstance(answer, Awaitable) else answer
        except Exception as error:
            raise _failed(error, len(batch)) from error
        return self._labels(answer, len(batch))

    def _images(self, batch: Batch) -> NDArray[Any]:
        spec = self.input_spec
        pixels = spec.encoding == "uint8"
        images: NDArray[Any] = spec.to_pixels(batch) if pixels else spec.as_sent(batch)
        if self._layout == "NHWC":
            images = images.transpose(0, 2, 3, 1)
        # A copy: a function may normalise in place, and the engine may send the batch again.
        return np.array(images, order="C", copy=True)

    def _labels(self, answer: Any, n: int) -> Labels:
        try:
            array = np.asarray(answer)
        except Exception as error:
            raise BadReply(
                f"the function returned {type(answer).__name__}, which is no array of labels: "
                f"{one_line(error)}"
            ) from error
        if array.ndim == 0:
            raise BadReply(
                f"the function returned {type(answer).__name__} for {n} images: it must return an "
                "array or a list with one label for each"
            )
        _refuse_scores(array, n)
        if array.dtype.kind in "USO":
            if array.shape not in {(n,), (n, 1)}:
                raise BadReply(f"the function returned names of shape {array.shape} for {n} images")
            return np.array([self._index(name) for name in array.ravel()], dtype=np.int64)
        if self.label_space.open:
            raise BadReply(
                "the function answers with numbers and the samples name their classes: give "
                "classes=[...], the class names in the function's order"
            )
        return check_labels(array, n, self.label_space.size)

    def _index(self, name: Any) -> int:
        if not isinstance(name, str):
            raise BadReply(
                f"the function returned {one_line(repr(name))} where a label should be: return "
                "one whole number or one class name per image"
            )
        space = self.label_space
        if not space.names and not space.open:
            raise BadReply(
                "the function answers with class names and the samples number theirs: give "
                "classes=[...], the class names in the samples' order"
            )
        index = space.index(str(name))
        if index is None:
            raise BadReply(f"the function answered {one_line(name)!r}, which is not a known class")
        return index

    async def aclose(self) -> None:
        """End the thread."""
        if self._worker is not None:
            await self._worker.aclose()


def _refuse_scores(array: NDArray[Any], n: int) -> None:
    """Refuse scores: an audit works from hard labels alone."""
    if array.ndim > 1 and array.shape != (n, 1):
        raise BadReply(
            f"the function returned an array of shape {array.shape} for {n} images: an audit "
            "takes labels, not scores; return scores.argmax(axis=1)"
        )
    if array.dtype.kind == "f" and not (array.ndim == 1 and (array == np.rint(array)).all()):
        raise BadReply(
            "the function returned numbers that are not whole: an audit takes labels, not "
            "scores; return one class index or class name per image"
        )


def _failed(error: Exception, n: int) -> EndpointError:
    """Error for a failed call; too little memory may do for fewer images."""
    memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    advice = RetryAdvice("too-large" if memory and n > 1 else "never")
    cause = f"{type(error).__name__}: {one_line(error)}".rstrip(": ")
    return EndpointError(f"the function failed on {n} images with {cause}", advice)
