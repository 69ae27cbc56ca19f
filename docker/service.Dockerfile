# The API: FastAPI, no torch. Build from the repository's root:
#   docker build -f docker/service.Dockerfile -t gleaner-service .
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE} AS build
COPY requirements/service.txt /requirements/
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /requirements/service.txt

FROM ${BASE_IMAGE}
RUN (getent passwd 10001 || useradd --uid 10001 --user-group --no-create-home gleaner) && mkdir -p /data && chown 10001:10001 /data
COPY --from=build /venv /venv
COPY gleaner.py /app/
COPY pipeline /app/pipeline
COPY media /app/media
COPY models/__init__.py models/facts.py models/catalog.py /app/models/
COPY service /app/service
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GLEANER_HOST=0.0.0.0 GLEANER_PORT=8000 GLEANER_DATA_DIR=/data
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-m", "pipeline.healthcheck", "api"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "gleaner", "api"]
