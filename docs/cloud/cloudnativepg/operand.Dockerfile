# CloudNativePG's image of PostgreSQL 17 with PostGIS, and trips_ext in it. From a clone:
#     git archive HEAD | docker build -f docs/cloud/cloudnativepg/operand.Dockerfile -t registry.example.com/postgis-trips:17-3.6-0.1.0-standard-trixie -
ARG PG_MAJOR=17
ARG BASE=ghcr.io/cloudnative-pg/postgis:17-3-standard-trixie
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

FROM $BASE
ARG PG_MAJOR
COPY --from=build /package/usr/lib/postgresql/${PG_MAJOR}/lib/ /usr/lib/postgresql/${PG_MAJOR}/lib/
COPY --from=build /package/usr/share/postgresql/${PG_MAJOR}/extension/ /usr/share/postgresql/${PG_MAJOR}/extension/
USER 26
