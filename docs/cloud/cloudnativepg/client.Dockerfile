# The client, trips, for load.yaml. From a clone:
#     git archive HEAD | docker build -f docs/cloud/cloudnativepg/client.Dockerfile -t registry.example.com/trips-client:0.1.0 -
FROM rust:1.95-trixie AS build
WORKDIR /build
COPY . .
RUN cargo build --locked --release -p trips_cli

FROM debian:trixie-slim
COPY --from=build /build/target/release/trips /usr/local/bin/trips
USER 10001
ENTRYPOINT []
CMD ["trips", "--help"]
