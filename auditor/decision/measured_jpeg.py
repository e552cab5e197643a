"""What JPEG uploads do to the rule: by examples/benchmarks/jpeg_access.py."""

from auditor.decision.rule import JpegMeasured

JPEG: tuple[JpegMeasured, ...] = ()
