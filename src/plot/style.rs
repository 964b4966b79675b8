//! What all charts share: colours, sizes, and how a colour map is read.

use super::picture::Rgb;

/// Colours that people with any colour vision tell apart (Okabe and Ito), without the yellow that
/// white paper swallows.
pub(super) const PALETTE: [Rgb; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [70, 70, 70],
];
/// Text and axes.
pub(super) const INK: Rgb = [45, 45, 45];
/// Tick texts and notes.
pub(super) const SOFT: Rgb = [95, 95, 95];
/// Lines behind the data.
pub(super) const FAINT: Rgb = [226, 226, 226];

/// Sizes of texts in pixels per em.
pub(super) const TITLE: f64 = 18.0;
/// Labels of axes and legends.
pub(super) const LABEL: f64 = 14.5;
/// Numbers at ticks and notes.
pub(super) const SMALL: f64 = 13.0;

/// The colour of the i-th line; they repeat after seven, with other dashes.
pub(super) fn color(i: usize) -> Rgb {
    PALETTE[i % PALETTE.len()]
}

/// The dashes of the i-th line: none for the first seven.
pub(super) fn dash(i: usize) -> Option<(f64, f64)> {
    [None, Some((9.0, 5.0)), Some((2.5, 4.0))][i / PALETTE.len() % 3]
}

/// A colour towards white: `share` of it stays.
pub(super) fn tint(color: Rgb, share: f64) -> Rgb {
    color.map(|c| (255.0 - (255.0 - f64::from(c)) * share).round() as u8)
}

/// Control points of a map from dark violet over green to yellow whose lightness rises evenly
/// (after viridis).
const MAP: [Rgb; 10] = [
    [68, 1, 84],
    [72, 40, 120],
    [62, 74, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [110, 206, 88],
    [181, 222, 43],
    [253, 231, 37],
];

/// The map's colour at a place from 0 to 1.
pub(super) fn mapped(place: f64) -> Rgb {
    let at = place.clamp(0.0, 1.0) * (MAP.len() - 1) as f64;
    let (first, share) = (at.floor() as usize, at.fract());
    let (a, b) = (MAP[first], MAP[(first + 1).min(MAP.len() - 1)]);
    std::array::from_fn(|c| {
        (f64::from(a[c]) * (1.0 - share) + f64::from(b[c]) * share).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maps_lightness_rises() {
        let light =
            |c: Rgb| 0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2]);
        let all: Vec<f64> = (0..=100)
            .map(|i| light(mapped(f64::from(i) / 100.0)))
            .collect();
        assert!(all.windows(2).all(|w| w[1] > w[0]), "{all:?}");
        assert_eq!((mapped(-1.0), mapped(2.0)), ([68, 1, 84], [253, 231, 37]));
    }
}
