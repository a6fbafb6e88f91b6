//! Kernels that are right in every order, and wrong or reported in some order after any one change to their text.

mod ring;
mod staged;

use crate::compile;
use retrial_emulator::{Error, Order, Program};
use std::fmt::Write;

const ORDERS: [Order; 6] =
    [Order::Forward, Order::Reverse, Order::Shuffled(1), Order::Shuffled(2), Order::Shuffled(3), Order::Shuffled(4)];

/// A change to a kernel.
struct Mutation {
    name: &'static str,
    /// The text it replaces, wherever it stands, and what with.
    from: &'static str,
    to: &'static str,
    /// What one of the reports holds; empty where wrong numbers will do.
    report: &'static str,
}

const fn mutation(name: &'static str, from: &'static str, to: &'static str, report: &'static str) -> Mutation {
    Mutation { name, from, to, report }
}

/// A kernel to be changed.
struct Case {
    name: &'static str,
    /// The parameter's type, and what precedes the kernel.
    head: String,
    kernel: &'static str,
    mutations: &'static [Mutation],
    run: fn(&Program, &str, Order) -> Result<Vec<f32>, Error>,
    expected: Vec<f32>,
}

impl Case {
    /// The kernel as it is and with each change, as kernels of one program: that compiles faster.
    fn compile(&self) -> Option<Program> {
        let mut text = self.head.clone();
        let mut entries = vec![self.name];
        let mut add = |name: &str, kernel: &str| {
            let kernel = kernel.replace(&format!(" {}(", self.name), &format!(" {name}("));
            writeln!(text, "#line 1 \"{name}\"\n{kernel}").unwrap();
        };
        add(self.name, self.kernel);
        for Mutation { name, from, to, .. } in self.mutations {
            assert!(self.kernel.contains(from), "{name} changes nothing");
            add(name, &self.kernel.replace(from, to));
            entries.push(name);
        }
        compile(self.name, &text, &entries)
    }

    fn check(&self) {
        let Some(program) = self.compile() else { return };
        for order in ORDERS.into_iter().chain((5..25).map(Order::Shuffled)) {
            assert!((self.run)(&program, self.name, order).unwrap() == self.expected, "{order:?}");
        }
        for Mutation { name, report, .. } in self.mutations {
            let results = ORDERS.map(|order| (self.run)(&program, name, order));
            let reports: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string).collect();
            let wrong = results.iter().any(|result| result.as_ref().is_ok_and(|out| *out != self.expected));
            assert!(wrong || !reports.is_empty(), "{name} goes unnoticed");
            assert!(report.is_empty() || reports.iter().any(|r| r.contains(report)), "{name}: {reports:#?}");
        }
    }
}

/// The program's text in front of its kernel, and the kernel.
fn split(text: &'static str) -> (&'static str, &'static str) {
    text.split_at(text.find("extern \"C\"").unwrap())
}

/// Whole numbers from -4 to 4, whose sums of products are exact.
fn whole(row: usize, k: usize) -> i32 {
    (row * 7 + k * 13 + row * k % 11) as i32 % 9 - 4
}

/// The bits of such a number as f16.
fn half(value: i32) -> u16 {
    let size = [0, 0x3c00, 0x4000, 0x4200, 0x4400][value.unsigned_abs() as usize];
    size | if value < 0 { 0x8000 } else { 0 }
}
