# syntax=docker/dockerfile:1
#
#   docker build -t russet .
#   docker buildx build --platform linux/amd64,linux/arm64 -t russet .
#   docker build --target minimal -t russet:minimal .       nothing but the binary: no shell
#
# docs/docker.md says how to use it.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG TARGETARCH
# Pages of ARM machines may have 4, 16 or 64 KiB; an allocator that was built for the largest runs on all.
RUN --mount=type=cache,target=/usr/local/cargo/registry,id=registry-$TARGETARCH \
    --mount=type=cache,target=/src/target,id=target-$TARGETARCH \
    if [ "$TARGETARCH" = arm64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi && \
    triple=$(rustc -vV | sed -n 's/^host: //p') && \
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$triple" && \
    cp "target/$triple/release/russet-server" /russet-server && \
    strip /russet-server && \
    docker/tree /russet-server /image

FROM scratch AS minimal
COPY --from=build /image/ /
COPY --from=build --chown=999:999 --chmod=0777 /image/data /data
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /data
VOLUME /data
EXPOSE 6379
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 CMD ["russet-server", "healthcheck"]
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]

# With a shell: health checks of compose files and CI services are often lines for one.
FROM busybox:1.37-musl
COPY --from=build /image/ /
COPY --from=build --chown=999:999 --chmod=0777 /image/data /data
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /data
VOLUME /data
EXPOSE 6379
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 CMD ["russet-server", "healthcheck"]
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
