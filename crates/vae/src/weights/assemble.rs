//! From the tensors of a file to the layers of a model.

use super::{
    foreign::Verdict,
    layer::{layers, shared},
    roles::{NAMES, Part, Placed, Role, place},
    stored::Stored,
    unknown::list,
    words::{self, Head, Side, components},
};
use std::collections::BTreeMap;

/// The layers of a model, and what a user should know of how they were found.
pub(crate) struct Assembled<'a> {
    pub layers: Vec<Placed<'a>>,
    pub notes: Vec<String>,
}

/// Finds the model among the tensors of a file; of `Part::Decoder` the encoder is not looked for.
pub(crate) fn assemble<'a>(tensors: &'a [Stored<'a>], part: Part) -> Result<Assembled<'a>, Verdict> {
    let (records, tensors): (Vec<_>, Vec<_>) =
        tensors.iter().partition(|t| components(&t.name).into_iter().any(words::is_record));
    let mut notes = vec![];
    if !records.is_empty() {
        let names = records.iter().filter_map(|t| components(&t.name).into_iter().find(|part| words::is_record(part)));
        notes.push(format!("left out what is no part of the model: {}", counted(names)));
    }
    let mut found = match attempt(&tensors, part) {
        Ok(found) => found,
        Err(verdict) => alternative(&tensors, part).unwrap_or(Err(verdict))?,
    };
    notes.append(&mut found.notes);
    Ok(Assembled { notes, ..found })
}

/// Takes these tensors, all of them, for a model.
fn attempt<'a>(tensors: &[&'a Stored<'a>], part: Part) -> Result<Assembled<'a>, Verdict> {
    let whole = || layers(tensors).and_then(|layers| place(layers, Part::Whole));
    let (placed, said, unused) = match part {
        Part::Whole => whole().map(|(placed, said)| (placed, said, 0))?,
        // Names that only the whole model tells apart, such as fc3 and fc4, come first.
        Part::Decoder => match whole() {
            Ok((placed, _)) => {
                let (decoder, encoder): (Vec<_>, Vec<_>) =
                    placed.into_iter().partition(|p| matches!(p.role, Role::DecoderHidden | Role::Pixels));
                let unused = encoder.iter().map(|p| 1 + usize::from(p.layer.bias.is_some())).sum();
                (decoder, None, unused)
            }
            Err(_) => {
                let prefix = shared(tensors.iter().map(|t| t.name.as_str()));
                let encodes = |t: &Stored<'_>| {
                    let parts = components(&t.name);
                    let own =
                        &parts[prefix.min(parts.len())..parts.len().saturating_sub(1).max(prefix.min(parts.len()))];
                    words::side(own) == Side::Encoder
                        || words::side(own) != Side::Decoder && words::head(own) != Head::No
                };
                let (unused, tensors): (Vec<&Stored<'_>>, Vec<_>) = tensors.iter().partition(|t| encodes(t));
                place(layers(&tensors)?, Part::Decoder).map(|(placed, said)| (placed, said, unused.len()))?
            }
        },
    };
    let mut notes = notes(&placed);
    notes.extend(said);
    if unused > 0 {
        notes.push(format!("the encoder, {unused} tensors, is not used: mean and log variance are given"));
    }
    Ok(Assembled { layers: placed, notes })
}

/// Where the tensors hold several models side by side, as a training keeps a moving average of its own: the one whose
/// names need no prefix.
fn alternative<'a>(tensors: &[&'a Stored<'a>], part: Part) -> Option<Result<Assembled<'a>, Verdict>> {
    let prefix = shared(tensors.iter().map(|t| t.name.as_str()));
    let mut groups: BTreeMap<&str, Vec<&'a Stored<'a>>> = BTreeMap::new();
    for &tensor in tensors {
        groups.entry(components(&tensor.name).get(prefix).copied().unwrap_or_default()).or_default().push(tensor);
    }
    let (copies, rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(_, group)| attempt(group, part).is_ok());
    let names = list(copies.iter().map(|(name, _)| name));
    let rest: Vec<_> = rest.into_iter().flat_map(|(_, group)| group).collect();
    match copies.len() {
        0 => None,
        1 if rest.is_empty() => None,
        _ if rest.is_empty() => {
            let fix = format!("drop the prefix of the one to take, as in --rename {}=", copies[0].0);
            Some(Err((format!("holds several models, {names}"), fix)))
        }
        _ => Some(Ok(attempt(&rest, part).ok()?).map(|mut found| {
            found.notes.push(format!("left out another copy of the model: {names}"));
            found
        })),
    }
}

/// What was read otherwise than as Retrial writes it.
fn notes(placed: &[Placed<'_>]) -> Vec<String> {
    let name = |role: Role| match NAMES.iter().find(|(_, r)| *r == role) {
        Some((name, _)) => *name,
        None => "encoder.fc_mu and encoder.fc_logvar",
    };
    let mut notes = vec![];
    let foreign: Vec<_> = placed.iter().filter(|p| p.layer.name() != name(p.role)).collect();
    if !foreign.is_empty() {
        let pairs: Vec<String> = foreign.iter().map(|p| format!("{:?} as {}", p.layer.path, name(p.role))).collect();
        notes.push(format!("reads {}", pairs.join(", ")));
    }
    let flipped: Vec<_> = placed.iter().filter(|p| p.flipped).map(|p| &p.layer.weight.name).collect();
    if !flipped.is_empty() {
        notes.push(format!("transposes {}: by their shapes they are [inputs, outputs]", list(flipped.iter())));
    }
    let bare: Vec<_> = placed.iter().filter(|p| p.layer.bias.is_none()).map(|p| &p.layer.path).collect();
    if !bare.is_empty() {
        notes.push(format!("takes 0 for the bias of {}, which have none", list(bare.iter())));
    }
    notes
}

/// `optimizer (20 tensors), step`.
fn counted<'s>(names: impl Iterator<Item = &'s str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let more = counts.len().saturating_sub(12);
    let one = |(name, count): (&str, usize)| match count {
        1 => format!("{name:?}"),
        _ => format!("{name:?} ({count} tensors)"),
    };
    let listed = counts.into_iter().take(12).map(one).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}
