# CloudNativePG's image of PostgreSQL 17 with PostGIS, and trips_ext in it. From a clone:
#     docker build -f docker/Dockerfile --target artifacts --build-arg DEBIAN=trixie -t trips_ext-files:17-trixie .
#     docker build -f docs/cloud/cloudnativepg/operand.Dockerfile -t registry.example.com/postgis-trips:17-3.6-0.1.0-standard-trixie docs/cloud/cloudnativepg
ARG PG_MAJOR=17
ARG BASE=ghcr.io/cloudnative-pg/postgis:17-3-standard-trixie
FROM trips_ext-files:${PG_MAJOR}-trixie AS files

# hadolint ignore=DL3006
FROM ${BASE}
ARG PG_MAJOR
COPY --from=files /lib/ /usr/lib/postgresql/${PG_MAJOR}/lib/
COPY --from=files /share/extension/ /usr/share/postgresql/${PG_MAJOR}/extension/
USER 26
