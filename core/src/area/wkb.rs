//! Polygons as ST_AsBinary gives them: well-known binary of OGC's Simple Features, in two dimensions, little-endian.

use super::Corrupt;

/// Positions: longitude and latitude.
pub type Ring = Vec<[f64; 2]>;

/// The exterior ring, then the holes; an empty polygon has no ring.
pub type Polygon = Vec<Ring>;

const LITTLE_ENDIAN: u8 = 1;
const POLYGON: u32 = 3;
const MULTIPOLYGON: u32 = 6;

/// The polygons of a polygon or multipolygon.
///
/// # Errors
/// [`Corrupt`] where the bytes are nothing of the kind.
pub fn polygons(mut bytes: &[u8]) -> Result<Vec<Polygon>, Corrupt> {
    let reader = &mut bytes;
    let polygons = match kind(reader)? {
        POLYGON => vec![polygon(reader)?],
        MULTIPOLYGON => {
            let count = number(reader)?;
            let mut polygons = Vec::new();
            for _ in 0..count {
                if kind(reader)? != POLYGON {
                    return Err(Corrupt("a multipolygon of something else than polygons"));
                }
                polygons.push(polygon(reader)?);
            }
            polygons
        }
        _ => return Err(Corrupt("neither a polygon nor a multipolygon")),
    };
    match bytes.is_empty() {
        true => Ok(polygons),
        false => Err(Corrupt("bytes after the geometry")),
    }
}

fn polygon(reader: &mut &[u8]) -> Result<Polygon, Corrupt> {
    (0..number(reader)?).map(|_| ring(reader)).collect()
}

fn ring(reader: &mut &[u8]) -> Result<Ring, Corrupt> {
    (0..number(reader)?)
        .map(|_| Ok([coordinate(reader)?, coordinate(reader)?]))
        .collect()
}

/// Byte order and type of what comes next.
fn kind(reader: &mut &[u8]) -> Result<u32, Corrupt> {
    let [order] = take(reader)?;
    match order {
        LITTLE_ENDIAN => number(reader),
        _ => Err(Corrupt("a geometry in another byte order")),
    }
}

fn number(reader: &mut &[u8]) -> Result<u32, Corrupt> {
    take(reader).map(u32::from_le_bytes)
}

fn coordinate(reader: &mut &[u8]) -> Result<f64, Corrupt> {
    take(reader).map(f64::from_le_bytes)
}

fn take<const N: usize>(reader: &mut &[u8]) -> Result<[u8; N], Corrupt> {
    let (taken, rest) = reader
        .split_first_chunk::<N>()
        .ok_or(Corrupt("a geometry that ends too early"))?;
    *reader = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIANGLE: [[f64; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];

    fn triangle() -> Vec<u8> {
        let mut bytes = vec![LITTLE_ENDIAN];
        bytes.extend(POLYGON.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(4u32.to_le_bytes());
        bytes.extend(
            TRIANGLE
                .iter()
                .flatten()
                .flat_map(|value| value.to_le_bytes()),
        );
        bytes
    }

    #[test]
    fn a_polygon_and_a_multipolygon_of_it_give_the_same_ring() {
        assert_eq!(polygons(&triangle()), Ok(vec![vec![TRIANGLE.to_vec()]]));
        let mut multi = vec![LITTLE_ENDIAN];
        multi.extend(MULTIPOLYGON.to_le_bytes());
        multi.extend(2u32.to_le_bytes());
        multi.extend(triangle());
        multi.extend(triangle());
        assert_eq!(
            polygons(&multi),
            Ok(vec![vec![TRIANGLE.to_vec()], vec![TRIANGLE.to_vec()]])
        );
    }

    #[test]
    fn bytes_that_are_cut_or_too_many_are_refused() {
        let whole = triangle();
        for length in 0..whole.len() {
            assert!(polygons(whole.get(..length).unwrap_or_default()).is_err());
        }
        let mut long = whole;
        long.push(0);
        assert_eq!(polygons(&long), Err(Corrupt("bytes after the geometry")));
    }

    #[test]
    fn counts_that_promise_more_than_there_is_reserve_no_memory() {
        let mut bytes = vec![LITTLE_ENDIAN];
        bytes.extend(POLYGON.to_le_bytes());
        bytes.extend(u32::MAX.to_le_bytes());
        assert!(polygons(&bytes).is_err());
    }
}
