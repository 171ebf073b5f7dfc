# By digest, so that the same image is built until somebody decides on a newer one.
ARG PYTHON_IMAGE=python:3.13.15-slim-bookworm@sha256:ed86c82274b3c69b52fb5820f358f0bd7df0b603332063cb5c6e32bd220c3e6e

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The locks first: the layers with the dependencies stay as they are until a lock changes.
COPY requirements/build.lock requirements/serve.lock requirements/
RUN python -m venv --without-pip /opt/taskruns \
 && python -m pip --python /opt/taskruns install --no-deps --only-binary :all: \
        --require-hashes --requirement requirements/serve.lock \
 && python -m pip install --no-deps --require-hashes --requirement requirements/build.lock

COPY pyproject.toml README.md LICENSE ./
COPY service service
RUN python -m hatchling build --target wheel --directory /tmp/dist \
 && python -m pip --python /opt/taskruns install --no-deps --no-index /tmp/dist/*.whl


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="taskruns-service" \
      org.opencontainers.image.description="A REST service that records the task runs of workflow runs" \
      org.opencontainers.image.licenses="Apache-2.0"

# Nothing is installed in a running container, so what installs goes; the data folder belongs to the user below.
RUN python -m pip uninstall --yes --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.13/ensurepip \
 && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=builder /opt/taskruns /opt/taskruns

ENV PATH=/opt/taskruns/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TASKRUNS_DATABASE_URL=sqlite:////data/taskruns.db

# A number, so that an orchestrator can tell that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 4200
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f\"http://127.0.0.1:{os.environ.get('TASKRUNS_PORT', '4200')}/health\", timeout=4)"]

ENTRYPOINT ["taskruns-service"]
CMD ["serve", "--host", "0.0.0.0"]
