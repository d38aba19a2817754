//! The image of a row of `trips.trip` as PostgreSQL keeps it in a heap page.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 18 | transaction ids, command id, own address: the server sets them |
//! | 18 | 2 | `t_infomask2`: the number of attributes, 6 |
//! | 20 | 2 | `t_infomask`: `HEAP_HASVARWIDTH`; the server adds the rest |
//! | 22 | 1 | `t_hoff`: where the values start, 24 |
//! | 23 | 1 | padding |
//! | 24 | 8 | id: the ingest in the upper 32 bits, the line in the lower |
//! | 32 | 8 | departed_at: microseconds since 2000-01-01 00:00:00 |
//! | 40 | 2 | region_id |
//! | 42 | 2 | datasource_id |
//! | 44 | 29 | origin |
//! | 73 | 29 | destination |
//! | 102 | 2 | padding, no part of the tuple |
//!
//! A point is a short varlena (one byte of header, and so not aligned) around PostGIS' second
//! serialised form: SRID in three bytes, flags, type, number of points, longitude, latitude.

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("tuples are laid out for 64-bit little-endian servers");

use super::parse::point::{Point, SRID};

/// The length of a tuple in bytes: what `t_len` must say.
pub const TUPLE_LENGTH: usize = 102;

/// The distance in bytes from one tuple to the next: a multiple of eight, as the server demands.
pub const TUPLE_STRIDE: usize = 104;

/// A tuple, in words so that it is aligned to eight bytes wherever it lies.
pub type Tuple = [u64; TUPLE_STRIDE / 8];

/// The number of attributes of `trips.trip`.
const ATTRIBUTES: u16 = 6;

/// PostgreSQL's flag for a tuple that has an attribute of variable width.
const HEAP_HASVARWIDTH: u16 = 0x0002;

/// Where the values start.
const VALUES: usize = 24;

/// The length of a point with its header.
const POINT_LENGTH: usize = 29;

/// The values of a row of `trips.trip`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trip {
    /// The ingest in the upper 32 bits, the line in the lower.
    pub id: i64,
    /// Microseconds since 2000-01-01 00:00:00, local civil time.
    pub departed_at: i64,
    /// The id of the region.
    pub region_id: i16,
    /// The id of the data source.
    pub datasource_id: i16,
    /// Where the trip started.
    pub origin: Point,
    /// Where the trip ended.
    pub destination: Point,
}

/// The id of the trip on `line` of the file that `ingest` loads.
pub const fn trip_id(ingest: i64, line: u64) -> i64 {
    ingest << 32 | (line & 0xffff_ffff) as i64
}

/// All that tuples have in common.
const EMPTY: [u8; TUPLE_STRIDE] = {
    let mut bytes = [0; TUPLE_STRIDE];
    let [low, high] = ATTRIBUTES.to_le_bytes();
    (bytes[18], bytes[19]) = (low, high);
    let [low, high] = HEAP_HASVARWIDTH.to_le_bytes();
    (bytes[20], bytes[21]) = (low, high);
    bytes[22] = VALUES as u8;
    put_point_header(&mut bytes, 44);
    put_point_header(&mut bytes, 73);
    bytes
};

/// Writes all of a point but its coordinates.
const fn put_point_header(bytes: &mut [u8; TUPLE_STRIDE], at: usize) {
    const VERSION_2: u8 = 0x40;
    const POINT_TYPE: u8 = 1;
    const POINTS: u8 = 1;
    let [_, high, middle, low] = SRID.to_be_bytes();
    bytes[at] = (POINT_LENGTH as u8) << 1 | 1;
    bytes[at + 1] = high & 0x1f;
    bytes[at + 2] = middle;
    bytes[at + 3] = low;
    bytes[at + 4] = VERSION_2;
    bytes[at + 5] = POINT_TYPE;
    bytes[at + 9] = POINTS;
}

/// The bytes of a tuple, without padding.
#[inline]
pub fn bytes_of(tuple: &Tuple) -> &[u8] {
    &bytemuck::bytes_of(tuple)[..TUPLE_LENGTH]
}

impl Trip {
    /// The tuple of the trip.
    pub fn to_tuple(&self) -> Tuple {
        let mut bytes = EMPTY;
        put(&mut bytes, 24, self.id.to_le_bytes());
        put(&mut bytes, 32, self.departed_at.to_le_bytes());
        put(&mut bytes, 40, self.region_id.to_le_bytes());
        put(&mut bytes, 42, self.datasource_id.to_le_bytes());
        put(&mut bytes, 57, self.origin.lon.to_le_bytes());
        put(&mut bytes, 65, self.origin.lat.to_le_bytes());
        put(&mut bytes, 86, self.destination.lon.to_le_bytes());
        put(&mut bytes, 94, self.destination.lat.to_le_bytes());
        bytemuck::cast(bytes)
    }

    /// The trip of a tuple that [`to_tuple`](Trip::to_tuple) made.
    #[inline]
    pub fn from_tuple(tuple: &Tuple) -> Self {
        let bytes: &[u8; TUPLE_STRIDE] = bytemuck::cast_ref(tuple);
        let point = |at| Point {
            lon: f64::from_le_bytes(get(bytes, at)),
            lat: f64::from_le_bytes(get(bytes, at + 8)),
        };
        Trip {
            id: i64::from_le_bytes(get(bytes, 24)),
            departed_at: i64::from_le_bytes(get(bytes, 32)),
            region_id: i16::from_le_bytes(get(bytes, 40)),
            datasource_id: i16::from_le_bytes(get(bytes, 42)),
            origin: point(57),
            destination: point(86),
        }
    }
}

/// The point in a `geometry` value, without its varlena header; `None` for anything but a point in two dimensions, and for
/// an empty one.
pub fn point_of(geometry: &[u8]) -> Option<Point> {
    /// The value has a box, more dimensions, or more flags.
    const MORE: u8 = 0x01 | 0x02 | 0x04 | 0x10;
    let [_, _, _, flags, 1, 0, 0, 0, 1, 0, 0, 0, lon_lat @ ..] = geometry else {
        return None;
    };
    let ([lon, lat], []) = lon_lat.as_chunks() else {
        return None;
    };
    (flags & MORE == 0).then(|| Point {
        lon: f64::from_le_bytes(*lon),
        lat: f64::from_le_bytes(*lat),
    })
}

/// Writes `value` at a fixed offset.
fn put<const N: usize>(bytes: &mut [u8; TUPLE_STRIDE], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// Reads the bytes at a fixed offset.
fn get<const N: usize>(bytes: &[u8; TUPLE_STRIDE], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Trip = Trip {
        id: trip_id(7, 3),
        departed_at: 580_813_420_500_000,
        region_id: 2,
        datasource_id: 258,
        origin: Point {
            lon: 14.4973794438195,
            lat: 50.00136875782316,
        },
        destination: Point {
            lon: -179.5,
            lat: -0.25,
        },
    };

    /// `t_data` of this trip as PostgreSQL 15 with PostGIS 3.3 wrote it, by `heap_page_items`.
    const WRITTEN_BY_THE_SERVER: &str = "030000000700000020149c293f100200020002013b0010e640010000\
         00010000009ad0b984a8fe2c40160bf9d92c0049403b0010e6400100000001000000\
         00000000007066c0000000000000d0bf";

    #[test]
    fn values_are_laid_out_as_the_server_lays_them_out() {
        let bytes: [u8; TUPLE_STRIDE] = bytemuck::cast(TRIP.to_tuple());
        let hex: String = bytes[VALUES..TUPLE_LENGTH]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, WRITTEN_BY_THE_SERVER);
    }

    #[test]
    fn the_header_says_what_the_server_does_not_set() {
        let bytes: [u8; TUPLE_STRIDE] = bytemuck::cast(TRIP.to_tuple());
        assert_eq!(bytes[..18], [0; 18]);
        assert_eq!(bytes[18..24], [6, 0, 2, 0, 24, 0]);
        assert_eq!(bytes[TUPLE_LENGTH..], [0, 0]);
    }

    #[test]
    fn a_tuple_gives_back_its_trip() {
        assert_eq!(Trip::from_tuple(&TRIP.to_tuple()), TRIP);
    }

    #[test]
    fn a_geometry_gives_back_its_point_if_it_is_one() {
        let bytes: [u8; TUPLE_STRIDE] = bytemuck::cast(TRIP.to_tuple());
        let (origin, destination) = (&bytes[45..73], &bytes[74..102]);
        assert_eq!(point_of(origin), Some(TRIP.origin));
        assert_eq!(point_of(destination), Some(TRIP.destination));
        assert_eq!(point_of(&origin[..27]), None);
        assert_eq!(point_of(&[]), None);
        // A Z, a box, a line, no point, two points.
        for (place, byte) in [(3, 0x41), (3, 0x44), (4, 2), (8, 0), (8, 2)] {
            let mut other = origin.to_vec();
            other[place] = byte;
            assert_eq!(point_of(&other), None);
        }
    }

    #[test]
    fn an_id_says_where_its_row_came_from() {
        assert_eq!(trip_id(1, 2), 4_294_967_298);
        assert_eq!(trip_id(i64::from(i32::MAX), u64::from(u32::MAX)), i64::MAX);
    }
}
