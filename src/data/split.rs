//! Stratified splits: every class keeps its share in each part, and the split depends on the seed
//! alone.

use super::labels::rows_by_label;
use super::{Dataset, Generator, Part};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Stream, Tensor};

/// Row numbers of the three parts; disjoint, and together all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Training rows.
    pub train: Vec<i64>,
    /// Validation rows.
    pub validation: Vec<i64>,
    /// Test rows.
    pub test: Vec<i64>,
}

/// Splits rows by label. Each part is in random order, so that its first rows show all classes.
pub fn stratified(labels: &[i64], validation: i64, test: i64, seed: i64) -> Result<Split> {
    let n = labels.len() as i64;
    if validation < 0 || test < 0 || validation + test >= n {
        return Err(Error::argument(format!(
            "split: validation {validation} and test {test} rows leave nothing to train on, of {n}"
        )));
    }
    let mut pools: Vec<Vec<i64>> = rows_by_label(labels)?.into_values().collect();
    for (k, rows) in pools.iter_mut().enumerate() {
        Generator::new(seed, Stream::Data, "split", k as u64).shuffle(rows);
    }
    let mut order = Generator::new(seed, Stream::Data, "split order", 0);
    let mut take = |count: i64| {
        let sizes: Vec<usize> = pools.iter().map(Vec::len).collect();
        let mut rows: Vec<i64> = Vec::with_capacity(count as usize);
        for (pool, share) in pools.iter_mut().zip(shares(&sizes, count as usize)) {
            rows.extend(pool.drain(pool.len() - share..));
        }
        order.shuffle(&mut rows);
        rows
    };
    let (test, validation) = (take(test), take(validation));
    let rest = n - test.len() as i64 - validation.len() as i64;
    Ok(Split {
        train: take(rest),
        validation,
        test,
    })
}

/// How many each class gives, in proportion to its size, by largest remainders.
fn shares(sizes: &[usize], count: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let mut shares: Vec<usize> = sizes.iter().map(|s| s * count / total).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|k| std::cmp::Reverse(sizes[*k] * count % total));
    let missing = count - shares.iter().sum::<usize>();
    by_remainder
        .into_iter()
        .take(missing)
        .for_each(|k| shares[k] += 1);
    shares
}

crate::options! {
    /// Options of [`split`].
    pub struct SplitOptions for "data::split" {
        /// name of the data set in tables and errors
        name: String = "data".to_owned(),
        /// rows for validation; () for a tenth
        validation: Option<i64> = None,
        /// rows for the test; () for a fifth
        test: Option<i64> = None,
        /// seed of the split
        seed: i64 = 0,
        /// range of the values, for clamps and attacks; () for the smallest and largest value
        range: Option<(f64, f64)> = None,
    }
}

/// Makes a data set of one's own rows `x` `[N, …]` and labels `y` `[N]`, counted from 0.
pub fn split(x: &Tensor, y: &Tensor, options: &SplitOptions) -> Result<Dataset> {
    options.check()?;
    let all = Part::new(&options.name, x, y)?;
    if all.is_empty() {
        return Err(Error::argument("data::split: there are no rows"));
    }
    if !all.x()?.isfinite()?.all()? {
        return Err(Error::data("data::split: some values are not finite"));
    }
    let labels = all.y.to_ints()?;
    let classes = super::labels::classes("data::split", &labels)?;
    let n = all.len();
    let found = stratified(
        &labels,
        options.validation.unwrap_or(n / 10),
        options.test.unwrap_or(n / 5),
        options.seed,
    )?;
    let part = |rows: &[i64], name: &str| {
        Ok::<Part, Error>(all.rows(rows)?.named(format!("{}.{name}", options.name)))
    };
    Ok(Dataset {
        train: part(&found.train, "train")?,
        validation: part(&found.validation, "validation")?,
        test: part(&found.test, "test")?,
        held_out: None,
        notes: Vec::new(),
        unlabelled: None,
        classes,
        range: match options.range {
            Some(range) => range,
            None => (all.x()?.min()?.item()?, all.x()?.max()?.item()?),
        },
        about: format!("stratified split from seed {}", options.seed),
        name: options.name.clone(),
    }
    .ranged())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<i64> {
        (0..500)
            .map(|i| if i % 5 == 0 { 0 } else { 1 + i % 3 })
            .collect()
    }

    #[test]
    fn parts_are_disjoint_and_complete_and_keep_the_shares() -> Result<()> {
        let labels = labels();
        let s = stratified(&labels, 77, 100, 3)?;
        assert_eq!(
            (s.train.len(), s.validation.len(), s.test.len()),
            (323, 77, 100)
        );
        let mut all: Vec<i64> = [&s.train[..], &s.validation, &s.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..500).collect::<Vec<_>>());
        for class in 0..4 {
            let share = labels.iter().filter(|y| **y == class).count() as f64 / 500.0;
            for part in [&s.train, &s.validation, &s.test] {
                let count = part
                    .iter()
                    .filter(|i| labels[**i as usize] == class)
                    .count() as f64;
                assert!(
                    (count - share * part.len() as f64).abs() <= 1.0,
                    "class {class}: {count} of {}",
                    part.len()
                );
            }
        }
        Ok(())
    }

    #[test]
    fn the_seed_decides_and_libtorch_is_left_alone() -> Result<()> {
        tch::manual_seed(1);
        let expected = Tensor::randn(&[3])?.to_vec()?;
        tch::manual_seed(1);
        let first = stratified(&labels(), 50, 50, 7)?;
        assert_eq!(Tensor::randn(&[3])?.to_vec()?, expected);
        assert_eq!(first, stratified(&labels(), 50, 50, 7)?);
        assert_ne!(first, stratified(&labels(), 50, 50, 8)?);
        Ok(())
    }

    #[test]
    fn a_split_that_leaves_nothing_is_an_error() {
        assert!(
            stratified(&[0, 1, 0], 2, 1, 0)
                .unwrap_err()
                .message()
                .contains("leave nothing to train on")
        );
        assert!(stratified(&[0, 1, 0], -1, 1, 0).is_err());
        assert!(stratified(&[], 0, 0, 0).is_err());
    }
}
