//! Places on WGS84 as points in space, EPSG:4978: an oracle beside the extension's own arithmetic.

/// Semi-major axis, metres.
const A: f64 = 6_378_137.0;

/// Square of the first eccentricity.
const E2: f64 = 0.006_694_379_990_141_316;

/// Metres from the middle of the earth.
pub fn in_space(lon: f64, lat: f64) -> [f64; 3] {
    let ((sin_lon, cos_lon), (sin_lat, cos_lat)) =
        (lon.to_radians().sin_cos(), lat.to_radians().sin_cos());
    let normal = A / (1.0 - E2 * sin_lat * sin_lat).sqrt();
    [
        normal * cos_lat * cos_lon,
        normal * cos_lat * sin_lon,
        normal * (1.0 - E2) * sin_lat,
    ]
}

/// The longitude and latitude in the direction of a place in space.
pub fn below([x, y, z]: [f64; 3]) -> (f64, f64) {
    let lat = z.atan2(x.hypot(y) * (1.0 - E2));
    (y.atan2(x).to_degrees(), lat.to_degrees())
}
