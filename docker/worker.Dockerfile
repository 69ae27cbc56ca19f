# The workers: clip (decode, encode) and enhance (network). Build from the repository's root:
#   docker build -f docker/worker.Dockerfile -t gleaner-worker .
# torch's CPU build keeps the image small: give its index with --build-arg PIP_EXTRA_INDEX_URL=...; without it pip takes
# the CUDA build, which is what a GPU host wants.
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE} AS build
ARG PIP_EXTRA_INDEX_URL=
COPY requirements/service.txt requirements/worker.txt /requirements/
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /requirements/worker.txt

FROM ${BASE_IMAGE}
RUN (getent passwd 10001 || useradd --uid 10001 --user-group --no-create-home gleaner) && mkdir -p /data /frames \
    && chown 10001:10001 /data /frames
COPY --from=build /venv /venv
COPY pyproject.toml gleaner.py /app/
COPY pipeline /app/pipeline
COPY media /app/media
COPY models /app/models
COPY workers /app/workers
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GLEANER_DATA_DIR=/data GLEANER_FRAME_STORE_DIR=/frames
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
# One of: worker clip, worker enhance
ENTRYPOINT ["python", "-m", "gleaner", "worker"]
CMD ["enhance"]
