# A stand-in for the official image of PostgreSQL, where that cannot be pulled: Debian's own packages, and as much of the
# official image's behaviour as the tests rely on. BASE is a bare Debian that has PG_MAJOR; the official images of 18 and later keep
# their data, and have their volume, elsewhere than those before.
ARG BASE
# hadolint ignore=DL3006
FROM ${BASE}
ARG PG_MAJOR
ENV LANG=C.UTF-8 PG_MAJOR=${PG_MAJOR} PATH=$PATH:/usr/lib/postgresql/${PG_MAJOR}/bin
# hadolint ignore=DL3008
RUN groupadd --system --gid 999 postgres \
    && useradd --system --gid postgres --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-common \
    && sed -i 's/^#create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
    && apt-get install --yes --no-install-recommends "postgresql-${PG_MAJOR}" \
    && rm -rf /var/lib/apt/lists/* \
    && sed -i "s/^#listen_addresses.*/listen_addresses = '*'/" "/usr/share/postgresql/${PG_MAJOR}/postgresql.conf.sample" \
    && mkdir /docker-entrypoint-initdb.d \
    && install --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql /var/lib/postgresql/data \
    && install --directory --owner postgres --group postgres --mode 3777 /var/run/postgresql
COPY entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ARG DATA=/var/lib/postgresql/data
ARG DATA_VOLUME=/var/lib/postgresql/data
ENV PGDATA=${DATA}
VOLUME ${DATA_VOLUME}
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
