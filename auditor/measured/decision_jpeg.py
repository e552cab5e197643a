"""What JPEG uploads do to the rule: by examples/benchmarks/jpeg_access.py."""

from auditor.verdict.rule import JpegMeasured

JPEG: tuple[JpegMeasured, ...] = (
    JpegMeasured(90, 0, 0, 30, 41, 41, 49),
    JpegMeasured(75, 0, 0, 30, 43, 41, 49),
)
