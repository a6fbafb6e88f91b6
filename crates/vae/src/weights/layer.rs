//! Dense layers as a file names them.

use super::{
    foreign::Verdict,
    stored::Stored,
    unknown,
    words::{self, Head, Side, components},
};

/// A dense layer of a file.
#[derive(Clone)]
pub(crate) struct Layer<'a> {
    /// Its path, without wrappers.
    pub path: String,
    /// Where the path goes beyond what all layers share.
    pub prefix: usize,
    pub weight: &'a Stored<'a>,
    pub bias: Option<&'a Stored<'a>>,
    /// A `kernel`, which Flax and Keras lay out as `[inputs, outputs]`.
    pub kernel: bool,
}

impl Layer<'_> {
    /// The components of the path beyond what all layers share.
    fn own(&self) -> Vec<&str> {
        self.path.split('.').skip(self.prefix).collect()
    }

    /// The name beyond what all layers share.
    pub(super) fn name(&self) -> String {
        self.own().join(".")
    }

    pub(super) fn side(&self) -> Side {
        words::side(&self.own())
    }

    pub(super) fn head(&self) -> Head {
        if self.side() == Side::Decoder { Head::No } else { words::head(&self.own()) }
    }

    /// Outputs and inputs. PyTorch's `weight` is `[outputs, inputs]`, unless it is `flipped`.
    pub(super) fn widths(&self, flipped: bool) -> (usize, usize) {
        let [a, b] = self.weight.shape[..] else { return (0, 0) };
        if self.kernel || flipped { (b, a) } else { (a, b) }
    }

    /// Whether `other` follows at once in the same `nn.Sequential`, with no room for an activation between.
    pub(super) fn touches(&self, other: &Layer<'_>) -> bool {
        let split = |layer: &Layer<'_>| -> Option<(String, u64)> {
            let (parent, index) = layer.path.rsplit_once('.').unwrap_or(("", &layer.path));
            Some((parent.to_owned(), index.parse().ok()?))
        };
        matches!((split(self), split(other)), (Some((a, i)), Some((b, j))) if a == b && i.abs_diff(j) == 1)
    }
}

/// Groups tensors into layers, in natural order, and refuses whatever is no part of a dense layer.
pub(crate) fn layers<'a>(tensors: &[&'a Stored<'a>]) -> Result<Vec<Layer<'a>>, Verdict> {
    let mut layers: Vec<Layer<'a>> = vec![];
    let (mut biases, mut odd) = (vec![], vec![]);
    for &tensor in tensors {
        let mut path = components(&tensor.name);
        match path.pop() {
            _ if unknown::is_variant(tensor) => odd.push(tensor),
            Some(leaf @ ("weight" | "kernel")) if tensor.shape.len() == 2 => {
                let (path, kernel) = (path.join("."), leaf == "kernel");
                layers.push(Layer { path, prefix: 0, weight: tensor, bias: None, kernel });
            }
            Some("bias") if tensor.shape.len() == 1 => biases.push((path.join("."), tensor)),
            _ => odd.push(tensor),
        }
    }
    layers.sort_by(|a, b| words::natural(&a.path, &b.path));
    if let Some(pair) = layers.windows(2).find(|pair| pair[0].path == pair[1].path) {
        let both = unknown::list(pair.iter().map(|layer| &layer.weight.name));
        return Err((format!("holds one layer twice, {both}"), "leave one of them out of the file".into()));
    }
    for (path, bias) in biases {
        match layers.binary_search_by(|layer| words::natural(&layer.path, &path)) {
            Ok(at) if layers[at].bias.is_none() => layers[at].bias = Some(bias),
            _ => odd.push(bias),
        }
    }
    if !odd.is_empty() {
        return Err(unknown::refuse(&odd));
    }
    let prefix = shared(layers.iter().map(|layer| layer.path.as_str()));
    layers.iter_mut().for_each(|layer| layer.prefix = prefix);
    Ok(layers)
}

/// How many leading components all paths share, short of the whole of any.
pub(crate) fn shared<'p>(mut paths: impl Iterator<Item = &'p str>) -> usize {
    let Some(first) = paths.next() else { return 0 };
    let first: Vec<&str> = first.split('.').collect();
    paths.fold(first.len() - 1, |shared, path| {
        let path: Vec<&str> = path.split('.').collect();
        let same = first.iter().zip(&path).take_while(|(a, b)| a == b).count();
        same.min(shared).min(path.len() - 1)
    })
}
