# One image for all commands: env-worker, agent-worker, gymbroker. Build it with `docker compose build`.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PIP_CONSTRAINT=/src/requirements/lock.txt
# No pip in the environment that is shipped: the pip of the base image installs into it from outside.
RUN python -m venv --without-pip /opt/gymbroker
# The dependencies first: this layer stays until pyproject.toml or the lock changes.
COPY pyproject.toml ./
COPY requirements/lock.txt requirements/
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      >dependencies.txt \
 && pip --python /opt/gymbroker/bin/python install --requirement dependencies.txt
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels . \
 && pip --python /opt/gymbroker/bin/python install --no-deps /wheels/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gymbroker
COPY --from=build /opt/gymbroker /opt/gymbroker
ENV PATH=/opt/gymbroker/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# Exec form, and no shell between: SIGTERM arrives at the worker, which drains.
CMD ["gymbroker", "--help"]
