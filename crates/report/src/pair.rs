//! Two plots side by side that share their colours and their legend (the paper's Fig. 1).

use crate::{
    About, Figure,
    curves::{self, Curve, Curves},
    legend::{self, Key},
    scene::{Rect, Scene},
};

const WIDTH: f64 = 960.0;
const PANELS: f64 = 400.0;

/// Two plots, each with its heading. A label is shown once, whichever plot has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pair {
    /// The larger plot.
    pub left: (String, Curves),
    /// The smaller one.
    pub right: (String, Curves),
}

impl Pair {
    /// Draws the figure, with the legend below.
    pub fn figure(&self, about: About) -> Figure {
        let mut keys: Vec<Key> = vec![];
        for curve in self.left.1.curves.iter().chain(&self.right.1.curves) {
            if !curve.label.is_empty() && !keys.iter().any(|key| key.label == curve.label) {
                keys.push(Curve::key(curve));
            }
        }
        let mut scene = Scene::new(WIDTH, PANELS + legend::rows_height(&[&keys], WIDTH - 70.0) + 14.0);
        let mut draw = |(heading, plot): &(String, Curves), from: f64, to: f64| {
            let outer = Rect::new(from * WIDTH, 0.0, (to - from) * WIDTH, PANELS);
            curves::panel(&mut scene, outer, heading, (&plot.x, &plot.y), &plot.curves);
        };
        draw(&self.left, 0.0, 0.58);
        draw(&self.right, 0.58, 1.0);
        legend::rows(&mut scene, &[&keys], (56.0, PANELS + 4.0), WIDTH - 70.0);
        Figure::new(about, &scene)
    }
}
