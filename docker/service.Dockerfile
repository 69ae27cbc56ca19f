# The API: FastAPI, no torch. From the repository's root:  docker build -f docker/service.Dockerfile -t gleaner-service .
# The base needs Python 3.11 with its venv module. Where pip must be told something (mirror, credentials, certificate),
# give it a pip.conf that stays out of the image:  --secret id=pip.conf,src=pip.conf
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE} AS build
COPY requirements/service.txt /requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /requirements/service.txt \
    && /venv/bin/pip uninstall --yes --quiet --disable-pip-version-check pip setuptools
COPY gleaner.py /app/
COPY commands /app/commands
COPY pipeline /app/pipeline
COPY media /app/media
COPY models/__init__.py models/choice.py models/measured.py models/envelope.py models/facts.py models/facts_json.py models/library.py models/catalog.py /app/models/
COPY models/pulse/__init__.py models/pulse/region.py /app/models/pulse/
COPY service /app/service
# Whatever the checkout's permissions were, the image's user can read it, and need not compile it at each start.
RUN chmod -R a+rX /app && /venv/bin/python -m compileall -q /app

FROM ${BASE_IMAGE}
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin gleaner \
    && mkdir -m 0700 /data /models && chown 10001:10001 /data /models
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GLEANER_HOST=0.0.0.0 GLEANER_PORT=8000 GLEANER_DATA_DIR=/data
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s CMD ["python", "-m", "pipeline.healthcheck", "api"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "gleaner", "api"]
