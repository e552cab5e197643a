# syntax=docker/dockerfile:1
# xray-audit with ONNX Runtime and fleets, as a user without rights:
#   docker build -t xray-audit .
#   docker run --rm -v "$PWD:/audit" xray-audit --model model.onnx --range 0,1 --samples pictures/
# Model files run in a sandbox of Landlock and seccomp, which Docker's default profile allows. The
# container needs neither rights nor a network for them: --network none --cap-drop ALL --read-only
# with --tmpfs /tmp does as well.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY adapters adapters
COPY auditor auditor
ARG EXTRAS=cpu,fast,fleet
RUN python -m venv /opt/xray-audit \
    && /opt/xray-audit/bin/python -m pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:3.12-slim
COPY --from=build /opt/xray-audit /opt/xray-audit
ENV PATH=/opt/xray-audit/bin:$PATH PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home --uid 10001 auditor && install -d -o auditor -g auditor /audit
USER 10001:10001
WORKDIR /audit
ENTRYPOINT ["xray-audit"]
CMD ["--help"]
