# Three images from one Debian: `inet` (every process of the product), `nginx` and `pgbouncer` with our configuration of them.
#   docker build --target inet --build-arg INET_RELEASE=2026.11 -t inet-portal:2026.11 .
# deploy/try_dockerfile.py runs these very steps in a bare Debian root, on machines without an engine.
ARG DEBIAN=12.11-slim

FROM debian:${DEBIAN} AS base
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
RUN apt-get -qq update \
    && apt-get -qq upgrade -y \
    && apt-get -qq install -y --no-install-recommends python3 ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
    && groupadd --system --gid 10001 inet \
    && useradd --system --uid 10001 --gid inet --home-dir /var/lib/inet --no-create-home --shell /usr/sbin/nologin inet

# Python's packages by their hashes, without a compiler. The pinned setuptools comes first: what is there as pure source alone is built
# with it, so that nothing unpinned is fetched.
FROM base AS build
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv
WORKDIR /src
COPY requirements.lock ./
RUN python3 -m venv /opt/inet \
    && sed -n '/^setuptools==/,/^[^ ].*==/{/^setuptools==/p;/^ /p}' requirements.lock > setuptools.lock \
    && /opt/inet/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r setuptools.lock \
    && /opt/inet/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --no-deps --no-build-isolation --no-compile -r requirements.lock
COPY pyproject.toml README.md ./
COPY app app
COPY services services
COPY pages pages
COPY portal portal
COPY mobile mobile
COPY jobs jobs
# Compiled once here: a process with a read-only root could not keep what it compiles. Tests of the libraries stay behind.
RUN /opt/inet/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --no-index --no-compile . \
    && /opt/inet/bin/pip check \
    && find /opt/inet/lib -type d \( -name tests \) -path '*/site-packages/*' -prune -exec rm -rf {} + \
    && /opt/inet/bin/pip --disable-pip-version-check uninstall --quiet --yes pip \
    && /usr/bin/python3 -m compileall -q -j 0 /opt/inet/lib

FROM base AS inet
ARG INET_RELEASE=
LABEL org.opencontainers.image.title="INET Portal" \
      org.opencontainers.image.description="Wi-Fi for sale at hotspots: portal, console, API, workers and scheduler" \
      org.opencontainers.image.version="${INET_RELEASE}"
COPY --from=build /opt/inet /opt/inet
COPY deploy/health.py /opt/inet/health.py
# The one place that is written to: uploads, consoles' storage, figures, back-ups where nothing else is configured.
RUN install -d -o inet -g inet -m 0750 /var/lib/inet
ENV PATH=/opt/inet/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    INET_RELEASE=${INET_RELEASE} \
    INET_ENV=production \
    INET_DATA_DIR=/var/lib/inet
USER 10001:10001
WORKDIR /var/lib/inet
VOLUME ["/var/lib/inet"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/opt/inet/bin/python", "-I", "-S", "/opt/inet/health.py"]
ENTRYPOINT ["inet"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]

FROM base AS nginx
RUN apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /var/log/nginx /var/www/html
COPY deploy/nginx /opt/nginx
COPY deploy/health.py /opt/nginx/health.py
USER 10001:10001
EXPOSE 8080 8443
# Open requests are finished first.
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["python3", "-I", "-S", "/opt/nginx/health.py", "http://127.0.0.1:8080/"]
ENTRYPOINT ["/bin/sh", "/opt/nginx/start.sh"]

FROM base AS pgbouncer
RUN apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends pgbouncer \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log
COPY deploy/pgbouncer /opt/pgbouncer
COPY deploy/health.py /opt/pgbouncer/health.py
USER 10001:10001
EXPOSE 6432
# Transactions under way are finished first.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["python3", "-I", "-S", "/opt/pgbouncer/health.py", "tcp://127.0.0.1:6432"]
ENTRYPOINT ["/bin/sh", "/opt/pgbouncer/start.sh"]
