//! The regions of a leaf whose trips have several.
//!
//! How many regions there are (2 bytes), their ids in ascending order (2 bytes each), and for each trip the place of
//! its region among them: 1 byte up to 256 regions, 2 bytes beyond. All numbers are little-endian.

use crate::area::Corrupt;

/// Whether places among so many regions take one byte.
const fn is_narrow(regions: usize) -> bool {
    regions <= 1 << u8::BITS
}

/// The regions of trips.
pub(super) fn write(regions: impl ExactSizeIterator<Item = i16> + Clone) -> Vec<u8> {
    let mut ids: Vec<i16> = regions.clone().collect();
    ids.sort_unstable();
    ids.dedup();
    let mut bytes = Vec::with_capacity(2 + 2 * ids.len() + 2 * regions.len());
    bytes.extend_from_slice(&(ids.len() as u16).to_le_bytes());
    for id in &ids {
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    for region in regions {
        let place = ids.partition_point(|id| *id < region) as u16;
        if is_narrow(ids.len()) {
            bytes.push(place as u8);
        } else {
            bytes.extend_from_slice(&place.to_le_bytes());
        }
    }
    bytes
}

/// The regions of a leaf's trips.
#[derive(Debug, Clone, Copy)]
pub struct Regions<'a> {
    ids: &'a [[u8; 2]],
    places: Places<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Places<'a> {
    Narrow(&'a [u8]),
    Wide(&'a [[u8; 2]]),
}

impl<'a> Regions<'a> {
    /// The regions of `n` trips in [`LeafColumns::regions`](super::LeafColumns::regions).
    ///
    /// # Errors
    /// The bytes are none that [`encode`](super::encode()) gives for so many trips.
    pub fn parse(n: usize, bytes: &'a [u8]) -> Result<Self, Corrupt> {
        const SHORT: Corrupt = Corrupt("the regions of a leaf are cut short");
        let (count, rest) = bytes.split_first_chunk().ok_or(SHORT)?;
        let count = usize::from(u16::from_le_bytes(*count));
        let (ids, places) = rest.split_at_checked(2 * count).ok_or(SHORT)?;
        let (ids, _) = ids.as_chunks();
        let places = match (is_narrow(count), places.as_chunks()) {
            (true, _) => Places::Narrow(places),
            (false, (places, [])) => Places::Wide(places),
            (false, _) => return Err(SHORT),
        };
        let regions = Regions { ids, places };
        if regions.places.len() != n {
            return Err(Corrupt("a leaf has not one region for each trip"));
        }
        if (0..n).any(|i| regions.places.get(i).is_none_or(|place| place >= count)) {
            return Err(Corrupt("a leaf has a region that it does not name"));
        }
        Ok(regions)
    }

    /// The id of the region of trip `i`; 0 where there is no such trip.
    #[inline]
    pub fn region(&self, i: usize) -> i16 {
        let id = self.places.get(i).and_then(|place| self.ids.get(place));
        id.map_or(0, |id| i16::from_le_bytes(*id))
    }
}

impl Places<'_> {
    fn len(&self) -> usize {
        match self {
            Places::Narrow(places) => places.len(),
            Places::Wide(places) => places.len(),
        }
    }

    #[inline]
    fn get(&self, i: usize) -> Option<usize> {
        match self {
            Places::Narrow(places) => places.get(i).map(|place| usize::from(*place)),
            Places::Wide(places) => places
                .get(i)
                .map(|place| usize::from(u16::from_le_bytes(*place))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_take_two_bytes_from_257_regions_on() {
        for (regions, bytes_of_places) in [(2, 1), (256, 1), (257, 2), (944, 2)] {
            let of = |i: usize| ((i * 7) % regions) as i16 * 30 + 1;
            let bytes = write((0..944).map(of));
            assert_eq!(bytes.len(), 2 + 2 * regions + bytes_of_places * 944);
            let read = Regions::parse(944, &bytes).unwrap();
            assert!((0..944).all(|i| read.region(i) == of(i)));
            assert_eq!(read.region(944), 0);
        }
    }

    #[test]
    fn regions_that_are_not_those_of_the_trips_are_refused() {
        let bytes = write([3, 9].into_iter());
        assert_eq!(bytes, [2, 0, 3, 0, 9, 0, 0, 1]);
        assert!(Regions::parse(2, &bytes).is_ok());
        assert!(Regions::parse(1, &bytes).is_err());
        assert!(Regions::parse(3, &bytes).is_err());
        assert!(Regions::parse(2, &[2, 0, 3, 0, 9, 0, 0, 2]).is_err());
        assert!(Regions::parse(2, &[0, 0, 0, 0]).is_err());
    }
}
