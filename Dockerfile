# The ClassCord server: the base and the program. The classic builder and BuildKit build it alike, without a network.
# deploy/Dockerfile is the same file: some look for it there, and Windows has no symbolic links.
ARG BASE=python:3.13-slim-trixie
FROM ${BASE}

# By its title deploy/docker.sh finds the images that have no name any more. That script also adds version, revision and
# source, which are known only when it builds.
LABEL org.opencontainers.image.title="classcord-server" \
      org.opencontainers.image.description="The chat server of a class: one JSON object a line over TCP, port 12345"

# The user is a number: that works with any base, and a folder that is mounted at /data can be given to that number
RUN mkdir -m 700 /data && chown 10001:10001 /data
WORKDIR /app
ENV CLASSCORD_DATA=/data
VOLUME /data
EXPOSE 12345
STOPSIGNAL SIGTERM
# The first check comes after one interval
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 CMD ["python3", "/app/server.py", "health"]
# The kernel drops a signal that process 1 neither blocks nor handles, and Python takes a while to reach its first line.
# So the signals that stop the server are blocked before: a stop just after the start waits until the server looks.
ENTRYPOINT ["env", "--block-signal=HUP,INT,TERM", "python3", "/app/server.py"]

# The files come last: a build of other files takes all of the above from its cache
COPY server.py ./
COPY handlers handlers
COPY classcord classcord
COPY deploy/bytecode.py /
# Files keep the modes of the checkout. A umask of 077 makes those unreadable, and on some shared folders everybody may
# write to them. Only such files get a new mode, which stores them a second time. Builders and registries change the times of files, so the bytecode is not checked against
# them. A syntax error ends the build, and so does a base whose `env` can't block signals. Official Python images have
# no bytecode, so bytecode.py compiles the modules that the server and its health check load.
RUN export PYTHONDONTWRITEBYTECODE=1 && find . \( ! -perm -go=rX -o -perm /go=w \) -exec chmod go=u-w {} + && \
    env --block-signal=TERM python3 -m compileall -q --invalidation-mode unchecked-hash . && \
    python3 /bytecode.py server.py / && rm /bytecode.py
USER 10001:10001
