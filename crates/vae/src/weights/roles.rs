//! Which layer of a file is which of the model: by name where names tell, by shape where they do not.

use super::{
    foreign::Verdict,
    layer::Layer,
    unknown::{COMPUTES, list},
    words::{Head, Side, numbered},
};
use Role::{DecoderHidden, EncoderHidden, Heads, LogVar, Mean, Pixels};

/// What a layer does in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    EncoderHidden,
    Mean,
    LogVar,
    /// `Mean` and `LogVar` in one, the mean first.
    Heads,
    DecoderHidden,
    Pixels,
}

/// A layer with what it does; `flipped` where its weight has the inputs first although its name does not say so.
pub(crate) struct Placed<'a> {
    pub role: Role,
    pub layer: Layer<'a>,
    pub flipped: bool,
}

/// Which layers a model must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Decoder,
}

/// The names that Retrial writes, and what they are called here.
pub(crate) const NAMES: [(&str, Role); 5] = [
    ("encoder.fc1", EncoderHidden),
    ("encoder.fc_mu", Mean),
    ("encoder.fc_logvar", LogVar),
    ("decoder.fc1", DecoderHidden),
    ("decoder.fc2", Pixels),
];

const RENAME: &str = "give its layers the names encoder.fc1, encoder.fc_mu, encoder.fc_logvar, decoder.fc1, \
                      decoder.fc2 with --rename OLD=NEW";

/// Gives every layer its role. The second value says what was taken for what, where that is a convention of numbers.
pub(crate) fn place<'a>(layers: Vec<Layer<'a>>, part: Part) -> Result<(Vec<Placed<'a>>, Option<String>), Verdict> {
    let names = list(layers.iter().map(|layer| &layer.path));
    let (mut heads, mut pool, mut said) = (vec![], vec![], None);
    for layer in layers {
        match layer.head() {
            _ if part == Part::Decoder => pool.push(layer),
            Head::No => pool.push(layer),
            Head::Mean => heads.push((Mean, layer)),
            Head::LogVar => heads.push((LogVar, layer)),
            Head::Both => heads.push((Heads, layer)),
            Head::Spread => {
                let fault =
                    format!("has the layer {:?}, by its name a standard deviation or its logarithm", layer.path);
                let fix = "Retrial takes the logarithm of the variance; --rename it to encoder.fc_logvar if it gives \
                           that, else give --mu and --logvar";
                return Err((fault, fix.into()));
            }
        }
    }
    if part == Part::Whole && heads.is_empty() {
        said = take_numbered(&mut heads, &mut pool)?;
    }
    let mut roles: Vec<Role> = heads.iter().map(|(role, _)| *role).collect();
    roles.sort_by_key(|role| *role as u8);
    match (part, &roles[..]) {
        (Part::Decoder, _) | (Part::Whole, [Heads] | [Mean, LogVar]) => {}
        (_, []) if pool.len() == 2 && pool.iter().all(|layer| layer.side() != Side::Encoder) => {
            let fix = "give mean and log variance of the images with --mu and --logvar, .npy of [N, latent]";
            return Err((format!("holds a decoder only, {names}"), fix.into()));
        }
        (_, []) if !pool.is_empty() => {
            let fault = format!("has the layers {names}, none of which is named as mean or log variance");
            return Err((fault, "name them with --rename OLD=encoder.fc_mu --rename OLD=encoder.fc_logvar".into()));
        }
        (_, []) => return Err(("holds no dense layer".into(), RENAME.into())),
        _ => {
            let heads = list(heads.iter().map(|(_, layer)| &layer.path));
            let fault = match missing(&pool, &roles, part) {
                Some(missing) => format!("has no layer {missing}; it holds {names}"),
                None => format!("has the heads {heads}, where one mean and one log variance are needed"),
            };
            return Err((fault, RENAME.into()));
        }
    }
    let wanted: &[Role] =
        if part == Part::Whole { &[EncoderHidden, DecoderHidden, Pixels] } else { &[DecoderHidden, Pixels] };
    check_count(&pool, &roles, wanted, &names, part)?;
    let mut placed = fit(&heads, &pool, wanted)?;
    placed.sort_by_key(|p| p.role as u8);
    let role = |role| placed.iter().find(|p| p.role == role).map(|p| &p.layer);
    for pair in [(EncoderHidden, Heads), (DecoderHidden, Pixels)] {
        if let (Some(first), Some(second)) = (role(pair.0), role(pair.1))
            && first.touches(second)
        {
            let fault = format!("has {:?} and {:?} side by side, with no activation between", first.path, second.path);
            let fix = format!("{COMPUTES}; where the model applies ReLU between them, --rename one of them");
            return Err((fault, fix));
        }
    }
    Ok((placed, said))
}

/// Conventions in which numbers alone tell the hidden layer, the mean and the log variance, and whether to say so.
const CONVENTIONS: [([&str; 3], bool); 4] = [
    (["fc1", "fc21", "fc22"], false),
    (["fc1", "fc2", "fc3"], true),
    (["Dense_0", "Dense_1", "Dense_2"], true),
    (["dense", "dense_1", "dense_2"], true),
];

/// Takes the heads from the pool where a convention knows them by number.
fn take_numbered<'a>(heads: &mut Vec<(Role, Layer<'a>)>, pool: &mut Vec<Layer<'a>>) -> Result<Option<String>, Verdict> {
    let find = |pool: &[Layer<'_>], names: [&str; 3]| {
        let parent = |layer: &Layer<'_>, name: &str| {
            let rest = layer.path.strip_suffix(name)?;
            (layer.side() != Side::Decoder && (rest.is_empty() || rest.ends_with('.'))).then(|| rest.to_owned())
        };
        let at = names.map(|name| pool.iter().position(|layer| parent(layer, name).is_some()));
        let [Some(first), Some(mean), Some(logvar)] = at else { return None };
        let parents = [(first, 0), (mean, 1), (logvar, 2)].map(|(at, n)| parent(&pool[at], names[n]));
        (parents[0] == parents[1] && parents[1] == parents[2]).then_some((mean, logvar))
    };
    let known =
        CONVENTIONS.iter().filter(|_| pool.len() == 5).find_map(|&(names, say)| Some((find(pool, names)?, say)));
    if let Some(((mean, logvar), say)) = known {
        if pool.iter().any(|layer| layer.name() == "decoder.fc21") {
            let fault = "has the layers of Pyro's VAE, \"encoder.fc21\", \"encoder.fc22\" and \"decoder.fc21\"".into();
            let fix = format!("that applies softplus and takes exp(fc22) for the standard deviation; {COMPUTES}");
            return Err((fault, fix));
        }
        let said = format!(
            "by their numbers, {:?} is taken for the mean and {:?} for the log variance",
            pool[mean].path, pool[logvar].path
        );
        // The later one first, so that the other stays where it is.
        for (role, at) in
            if mean < logvar { [(LogVar, logvar), (Mean, mean)] } else { [(Mean, mean), (LogVar, logvar)] }
        {
            heads.push((role, pool.remove(at)));
        }
        return Ok(say.then_some(said));
    }
    let of = |side| move |layer: &&Layer<'_>| layer.side() == side;
    if pool.len() == 4
        && pool.iter().filter(of(Side::Encoder)).count() == 2
        && pool.iter().filter(of(Side::Decoder)).count() == 2
    {
        // `mu, logvar = encoder(x).chunk(2, -1)`
        let last = pool.iter().rposition(|layer| layer.side() == Side::Encoder).expect("counted above");
        let layer = pool.remove(last);
        let said = format!("the first half of {:?} is taken for the mean, the second for the log variance", layer.path);
        heads.push((Heads, layer));
        return Ok(Some(said));
    }
    Ok(None)
}

/// The first of Retrial's own names that a file lacks which otherwise has them.
fn missing(pool: &[Layer<'_>], roles: &[Role], part: Part) -> Option<&'static str> {
    let names: Vec<String> = pool.iter().map(Layer::name).collect();
    let wanted = NAMES.iter().filter(|(_, role)| part == Part::Whole || matches!(role, DecoderHidden | Pixels));
    let lacking: Vec<_> =
        wanted.filter(|(name, role)| !roles.contains(role) && !names.iter().any(|n| n == name)).collect();
    (lacking.len() == 1).then(|| lacking[0].0)
}

/// Refuses a model with too few or too many layers.
fn check_count(pool: &[Layer<'_>], roles: &[Role], wanted: &[Role], names: &str, part: Part) -> Result<(), Verdict> {
    for (side, what, most) in [(Side::Encoder, "encoder", wanted.len() - 2), (Side::Decoder, "decoder", 2)] {
        let found: Vec<_> = pool.iter().filter(|layer| layer.side() == side).map(|layer| &layer.path).collect();
        if found.len() > most {
            let hidden = if side == Side::Encoder { " beside its heads" } else { "" };
            let fault = format!("has {} layers in its {what}{hidden}, {}", found.len(), list(found.iter()));
            return Err((fault, format!("{COMPUTES}: {most} such")));
        }
    }
    if pool.len() > wanted.len() {
        let fault = format!("has {} layers, {names}", pool.len() + roles.len());
        return Err((
            fault,
            format!(
                "{COMPUTES}: {} layers; leave the others out or name them with --rename OLD=NEW",
                wanted.len() + roles.len()
            ),
        ));
    }
    if pool.len() < wanted.len() {
        let fault = match missing(pool, roles, part) {
            Some(missing) => format!("has no layer {missing}; it holds {names}"),
            None if names.is_empty() => "holds no layer".into(),
            None => format!("has too few layers, {names}"),
        };
        return Err((fault, RENAME.into()));
    }
    Ok(())
}

/// Finds the one way in which the layers fit each other: first as PyTorch lays them out, then with weights transposed.
fn fit<'a>(heads: &[(Role, Layer<'a>)], pool: &[Layer<'a>], wanted: &[Role]) -> Result<Vec<Placed<'a>>, Verdict> {
    let orders: &[&[usize]] = match wanted.len() {
        2 => &[&[0, 1], &[1, 0]],
        _ => &[&[0, 1, 2], &[0, 2, 1], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0]],
    };
    let assigned = |order: &[usize]| -> Vec<(Role, &Layer<'a>)> {
        let others = wanted.iter().zip(order).map(|(&role, &at)| (role, &pool[at]));
        heads.iter().map(|(role, layer)| (*role, layer)).chain(others).collect()
    };
    let allowed = |layers: &[(Role, &Layer<'_>)]| {
        let other_half = |(role, layer): &(Role, &Layer<'_>)| {
            matches!((layer.side(), role), (Side::Encoder, DecoderHidden | Pixels) | (Side::Decoder, EncoderHidden))
        };
        !layers.iter().any(other_half)
    };
    let orders: Vec<_> = orders.iter().map(|order| assigned(order)).filter(|layers| allowed(layers)).collect();
    let flips = 1usize << (heads.len() + pool.len());
    let mut fitting: Vec<(u32, &Vec<_>, usize)> = vec![];
    for layers in &orders {
        let kernels =
            layers.iter().enumerate().filter(|(_, (_, layer))| layer.kernel).fold(0, |bits, (at, _)| bits | 1 << at);
        let possible = (0..flips).filter(|flipped| flipped & kernels == 0 && fits(layers, *flipped));
        fitting.extend(possible.map(|flipped| (flipped.count_ones(), layers, flipped)));
    }
    let plain: Vec<_> = fitting.iter().filter(|(flips, ..)| *flips == 0).copied().collect();
    let candidates = if plain.is_empty() { fitting } else { plain };
    let show = |layers: &[(Role, &Layer<'_>)]| {
        let one = |(_, layer): &(Role, &Layer<'_>)| {
            let bias = layer.bias.map(|bias| format!(" + {:?}", bias.shape)).unwrap_or_default();
            format!("{:?} {:?}{bias}", layer.path, layer.weight.shape)
        };
        layers.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let Some(natural) = orders.first() else { return Err(("has no decoder".into(), RENAME.into())) };
    // Shapes that fit in several orders leave the word to numbers, if the layers are numbered.
    let ordered = |a: &Layer<'_>, b: &Layer<'_>| {
        let sides = [a.side(), b.side()];
        sides.contains(&Side::Encoder) && sides.contains(&Side::Decoder) || numbered(&a.path, &b.path)
    };
    let by_number = pool.iter().enumerate().all(|(at, a)| pool[..at].iter().all(|b| ordered(a, b)));
    let in_order: Vec<_> = candidates.iter().filter(|(_, layers, _)| std::ptr::eq(*layers, natural)).copied().collect();
    let chosen = match (&candidates[..], &in_order[..]) {
        (&[one], _) => one,
        (_, &[one]) if by_number => one,
        ([], _) => {
            let fault = format!("has layers that do not fit each other: {}", show(natural));
            let fix = "must be [hidden, pixels], [latent, hidden] twice, [hidden, latent] and [pixels, hidden], each \
                       with a bias of its outputs";
            return Err((fault, fix.into()));
        }
        _ => {
            let fault = format!("has layers that fit each other in several ways: {}", show(natural));
            let fix = "--rename X.weight=X.kernel says that a layer has its inputs first; encoder.fc1, decoder.fc1 and \
                       decoder.fc2 are the names of layers";
            return Err((fault, fix.into()));
        }
    };
    let (_, layers, flipped) = chosen;
    let placed = layers.iter().enumerate();
    Ok(placed
        .map(|(at, (role, layer))| Placed { role: *role, layer: (*layer).clone(), flipped: flipped >> at & 1 == 1 })
        .collect())
}

/// Whether all widths agree when the layers in `flipped`, a set of bits, have their inputs first.
fn fits(layers: &[(Role, &Layer<'_>)], flipped: usize) -> bool {
    let widths = |at: usize| layers[at].1.widths(flipped >> at & 1 == 1);
    let find = |role| layers.iter().position(|(r, _)| *r == role).map(widths);
    let (Some((hidden, latent)), Some((pixels, _))) = (find(DecoderHidden), find(Pixels)) else { return false };
    layers.iter().enumerate().all(|(at, (role, layer))| {
        let wanted = match role {
            EncoderHidden => (hidden, pixels),
            Mean | LogVar => (latent, hidden),
            Heads => (2 * latent, hidden),
            DecoderHidden => (hidden, latent),
            Pixels => (pixels, hidden),
        };
        widths(at) == wanted && layer.bias.is_none_or(|bias| bias.shape == [wanted.0])
    })
}
