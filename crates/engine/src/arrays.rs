//! Result arrays as NumPy files.

use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Dimension};
use retrial_spec::{Error, Result, Tally, tally::Histogram};

/// A number as NumPy stores it.
pub trait Element: Copy {
    /// NumPy's name of the type.
    const DTYPE: &str;
    /// Its bytes, least first.
    fn bytes(self) -> impl IntoIterator<Item = u8>;
}

macro_rules! element {
    ($($number:ty: $dtype:literal),*) => {$(
        impl Element for $number {
            const DTYPE: &str = $dtype;
            fn bytes(self) -> impl IntoIterator<Item = u8> {
                self.to_le_bytes()
            }
        }
    )*};
}
element!(f32: "<f4", f64: "<f8", u64: "<u8");

/// The bytes of a `.npy` file, version 1, C order.
pub fn npy<S, D>(array: &ArrayBase<S, D>) -> Vec<u8>
where
    S: Data,
    S::Elem: Element,
    D: Dimension,
{
    /// What comes before the header: magic, version, length.
    const START: usize = 10;
    let axes: String = array.shape().iter().map(|axis| format!("{axis}, ")).collect();
    // Python's tuple of one has a comma.
    let axes = if array.ndim() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") };
    let header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({axes})}}", S::Elem::DTYPE);
    // Values begin at a multiple of 64 bytes, and a line ends before them.
    let len = (START + header.len() + 1).next_multiple_of(64) - START;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((len as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = len - 1).bytes());
    bytes.extend(array.iter().flat_map(|value| value.bytes()));
    bytes
}

/// Values of all samples, row-major `[N, ...]`, as a matrix of `N` rows.
pub fn rows(values: &[f32], samples: usize) -> Result<ArrayView2<'_, f32>> {
    let columns = values.len() / samples.max(1);
    ArrayView2::from_shape((samples, columns), values).map_err(|e| Error::input("rows", e, "please report this"))
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
