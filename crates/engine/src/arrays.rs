//! Result arrays as NumPy files.

use ndarray::{Array1, Array2, ArrayBase, Data, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt};
use retrial_spec::{Error, Result, Tally, tally::Histogram};

/// The bytes of a `.npy` file.
pub fn npy<S, D>(array: &ArrayBase<S, D>) -> Result<Vec<u8>>
where
    S: Data,
    S::Elem: WritableElement,
    D: Dimension,
{
    let mut bytes = vec![];
    array.write_npy(&mut bytes).map_err(|e| Error::input(".npy array", e, "please report this"))?;
    Ok(bytes)
}

/// `thresholds.npy`: f32 `[thresholds]`.
pub fn thresholds(tally: &Tally) -> Array1<f32> {
    Array1::from(tally.thresholds().to_vec())
}

/// `successes.npy`: u64 `[N, thresholds]`.
pub fn successes(tally: &Tally) -> Array2<u64> {
    let shape = (tally.rows().len(), tally.thresholds().len());
    Array2::from_shape_fn(shape, |(sample, t)| tally.rows()[sample].successes()[t])
}

/// `first_success.npy`: u64 `[N, thresholds]`, trials from 1, 0 where no trial succeeded.
pub fn first_success(tally: &Tally) -> Array2<u64> {
    let shape = (tally.rows().len(), tally.thresholds().len());
    Array2::from_shape_fn(shape, |(sample, t)| {
        tally.rows()[sample].first_success(tally.thresholds()[t]).map_or(0, |trial| trial + 1)
    })
}

/// `histogram.npy`, u64 `[N, bins]`, and `histogram_edges.npy`, f32 `[bins + 1]`: the occupied part of the bfloat16 grid.
pub fn histogram(tally: &Tally) -> (Array2<u64>, Array1<f32>) {
    let bins = tally.bins();
    let counts = Array2::from_shape_fn((tally.rows().len(), bins.len()), |(sample, bin)| {
        tally.rows()[sample].histogram().count(bins.start + bin)
    });
    (counts, Array1::from_iter((bins.start..=bins.end).map(Histogram::edge)))
}

/// `records.csv`: every trial that beat all trials before it, trials from 1.
pub fn records_csv(tally: &Tally) -> String {
    let mut csv = String::from("sample,trial,error\n");
    for (sample, row) in tally.rows().iter().enumerate() {
        for record in row.records() {
            csv += &format!("{sample},{},{}\n", record.trial + 1, record.error);
        }
    }
    csv
}
