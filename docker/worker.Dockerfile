# The workers: clip (decode, encode) and enhance (network). From the repository's root:
#   docker build -f docker/worker.Dockerfile -t gleaner-worker --build-arg PIP_EXTRA_INDEX_URL=<index of torch's CPU wheels> .
# Without that index pip takes torch's CUDA build, gigabytes larger, which is what a host with a GPU wants.
# The base needs Python 3.11 with its venv module. Where pip must be told something (mirror, credentials, certificate),
# give it a pip.conf that stays out of the image:  --secret id=pip.conf,src=pip.conf
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE} AS build
ARG PIP_EXTRA_INDEX_URL=
COPY requirements/service.txt requirements/worker.txt /requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /requirements/worker.txt \
    && /venv/bin/pip uninstall --yes --quiet --disable-pip-version-check pip
COPY gleaner.py /app/
COPY commands /app/commands
COPY pipeline /app/pipeline
COPY media /app/media
COPY models /app/models
COPY workers /app/workers
# Whatever the checkout's permissions were, the image's user can read it, and need not compile it at each start.
RUN chmod -R a+rX /app && /venv/bin/python -m compileall -q /app

FROM ${BASE_IMAGE}
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin gleaner \
    && mkdir -m 0700 /data /frames /models && chown 10001:10001 /data /frames /models
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GLEANER_DATA_DIR=/data GLEANER_FRAME_STORE_DIR=/frames
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
# One of: clip, enhance. The healthcheck of each is `python -m pipeline.healthcheck clip|enhance`.
ENTRYPOINT ["python", "-m", "gleaner", "worker"]
CMD ["enhance"]
