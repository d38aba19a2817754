# trips_ext for PostgreSQL 18 as an image that CloudNativePG mounts: nothing but /lib and /share. From a clone:
#     git archive HEAD | docker build -f docs/cloud/cloudnativepg/extension.Dockerfile -t registry.example.com/trips-ext:0.1.0-18-trixie -
ARG PG_MAJOR=18
FROM rust:1.95-trixie AS build
ARG PG_MAJOR
# PostgreSQL's own packages: those that the operator's images are made of.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y
WORKDIR /build
COPY . .
ENV PGRX_HOME=/build/target/pgrx PATH=/build/target/tools/bin:$PATH
RUN PG_MAJOR=$PG_MAJOR scripts/setup.sh \
    && cargo pgrx package --pg-config "/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" --out-dir /package

FROM scratch
ARG PG_MAJOR
COPY --from=build /build/LICENSE /licenses/trips_ext/LICENSE
COPY --from=build /package/usr/lib/postgresql/${PG_MAJOR}/lib/ /lib/
COPY --from=build /package/usr/share/postgresql/${PG_MAJOR}/extension/ /share/extension/
USER 65532:65532
