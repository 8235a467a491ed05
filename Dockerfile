# The ClassCord server: the base, and what runs. The classic builder and BuildKit build it alike, without a network.
ARG BASE=python:3.13-slim
FROM ${BASE}

LABEL org.opencontainers.image.title="classcord-server" \
      org.opencontainers.image.description="The chat server of a class: one JSON object a line over TCP, port 12345" \
      org.opencontainers.image.version="0.1.0"

# The user is a number, so that any base will do, and so that whoever mounts a folder at /data knows whom to give it to
RUN mkdir -m 700 /data && chown 10001:10001 /data
WORKDIR /app
COPY server.py ./
COPY handlers handlers
COPY classcord classcord
# Files keep the modes of the checkout, which a umask of 077 makes unreadable. Bytecode that is checked by neither time
# nor content stays valid whatever a builder or a registry does to the times of files.
RUN chmod -R go=u-w . && python3 -m compileall -q --invalidation-mode unchecked-hash handlers classcord

ENV CLASSCORD_DATA=/data
VOLUME /data
EXPOSE 12345
USER 10001:10001
STOPSIGNAL SIGTERM
# Each check compiles what it needs of the standard library anew, for the base comes without bytecode: not too often
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["python3", "/app/server.py", "health"]
ENTRYPOINT ["python3", "/app/server.py"]
