# The server in a container. Everything that it stores is in /data; the rest may be read-only.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/connected-apps-mcp
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY server server
COPY tools tools
RUN /opt/connected-apps-mcp/bin/pip install --no-cache-dir --constraint constraints.txt '.[otel]'

FROM python:3.13-slim
LABEL io.modelcontextprotocol.server.name="io.github.OWNER/connected-apps-mcp"
RUN useradd --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin server
COPY --from=build /opt/connected-apps-mcp /opt/connected-apps-mcp
COPY packaging/docker/health.py /opt/connected-apps-mcp/health.py
# /dev/shm is in memory and can be written in every container: the sandbox's temporary files.
ENV PATH=/opt/connected-apps-mcp/bin:$PATH \
    HOME=/data \
    TMPDIR=/dev/shm \
    PYTHONDONTWRITEBYTECODE=1
VOLUME /data
WORKDIR /data
USER 10001
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "/opt/connected-apps-mcp/health.py"]
ENTRYPOINT ["connected-apps-mcp"]
# Without arguments it is the sandbox over stdio, which needs no credentials and opens no port.
CMD ["--sandbox"]
