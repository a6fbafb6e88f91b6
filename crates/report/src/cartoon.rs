//! The experiment at a glance: images are memorised once and reconstructed again and again (the paper's Fig. 4).

use crate::{
    About, Figure,
    axis::{number, short},
    color::{Color, FAILURE, GRAY, INK, SUCCESS},
    gallery::fitted,
    image::Image,
    panel::{HEADING_SIZE, LABEL_SIZE, TICK_SIZE},
    scene::{Anchor, Point, Rect, Scene},
};

const IMAGE: f64 = 76.0;
const CELL: f64 = 92.0;
const ROW: f64 = IMAGE + 38.0;
const TOP: f64 = 62.0;
/// Where the sketch of the model and the trials begin.
const MODEL: f64 = 148.0;
const TRIALS: f64 = 416.0;

/// Most samples that the figure shows.
pub const MAX_SAMPLES: usize = 5;
/// Most trials that the figure shows for each sample.
pub const MAX_TRIALS: usize = 8;

/// A sample and the model's first trials at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempts {
    /// What was memorised.
    pub original: Image,
    /// Reconstructions with their errors, in the order of the trials.
    pub trials: Vec<(Image, f64)>,
}

/// Real images around a sketch of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cartoon {
    /// The error below which a trial succeeds.
    pub epsilon: f64,
    /// One row each.
    pub samples: Vec<Attempts>,
}

impl Cartoon {
    /// Draws the figure with at most [`MAX_SAMPLES`] samples and [`MAX_TRIALS`] trials.
    pub fn figure(&self, about: About) -> Figure {
        let samples = &self.samples[..self.samples.len().min(MAX_SAMPLES)];
        let trials = samples.iter().map(|sample| sample.trials.len().min(MAX_TRIALS)).max().unwrap_or(0);
        let width = TRIALS + trials.max(3) as f64 * CELL + 84.0;
        let height = TOP + samples.len().max(2) as f64 * ROW;
        let mut scene = Scene::new(width, height + 22.0);
        let middle = (TOP + height - (ROW - IMAGE)) / 2.0;

        scene.text((24.0, 24.0), Anchor::Start, "Memorise", HEADING_SIZE, INK);
        scene.text((24.0, 46.0), Anchor::Start, "samples", TICK_SIZE, GRAY);
        scene.text((TRIALS, 24.0), Anchor::Start, "Reconstruct, again and again", HEADING_SIZE, INK);
        model(&mut scene, middle);
        for trial in 0..trials {
            let x = TRIALS + trial as f64 * CELL + IMAGE / 2.0;
            scene.text((x, 46.0), Anchor::Middle, &format!("trial {}", trial + 1), TICK_SIZE, GRAY);
        }
        for (row, sample) in samples.iter().enumerate() {
            self.row(&mut scene, TOP + row as f64 * ROW, sample, trials);
        }
        let rule = format!("A trial succeeds when its error is below ε = {}.", short(self.epsilon, 5));
        scene.text((TRIALS, height + 8.0), Anchor::Start, &rule, TICK_SIZE, GRAY);
        Figure::new(about, &scene)
    }

    fn row(&self, scene: &mut Scene, top: f64, sample: &Attempts, columns: usize) {
        picture(scene, Rect::new(24.0, top, IMAGE, IMAGE), &sample.original, GRAY, 1.0);
        let trials = &sample.trials[..sample.trials.len().min(MAX_TRIALS)];
        let mut solved = 0;
        for (trial, (image, error)) in trials.iter().enumerate() {
            let frame = Rect::new(TRIALS + trial as f64 * CELL, top, IMAGE, IMAGE);
            let success = *error < self.epsilon;
            solved += usize::from(success);
            let color = if success { SUCCESS } else { FAILURE };
            picture(scene, frame, image, color, if success { 3.0 } else { 1.0 });
            let y = frame.bottom() + 15.0;
            if success {
                check(scene, (frame.x + 12.0, y), color)
            } else {
                cross(scene, (frame.x + 12.0, y), color)
            }
            scene.label((frame.x + 26.0, y), Anchor::Start, &number(*error, 3), TICK_SIZE, color);
        }
        if !trials.is_empty() {
            let (x, y) = (TRIALS + columns as f64 * CELL, top + IMAGE / 2.0);
            scene.label((x, y - 9.0), Anchor::Start, &format!("{solved} of {}", trials.len()), LABEL_SIZE, INK);
            scene.label((x, y + 9.0), Anchor::Start, "succeed", TICK_SIZE, GRAY);
        }
    }
}

/// Encoder, latent and decoder, with arrows from the samples and to the trials.
fn model(scene: &mut Scene, y: f64) {
    const BLUE: Color = Color::hex(0xDCEAF5);
    const ORANGE: Color = Color::hex(0xFBEBD3);
    let (wide, narrow, length) = (58.0, 24.0, 74.0);
    let encoder = MODEL;
    let latent = encoder + length + 10.0;
    let decoder = latent + 58.0;
    arrow(scene, (112.0, y), (encoder - 6.0, y));
    let mut block = |x: f64, left: f64, right: f64, name: &str| {
        let corners = [(x, y - left), (x + length, y - right), (x + length, y + right), (x, y + left)];
        scene.area(corners, BLUE);
        scene.loop_around(corners, INK, 1.2);
        scene.label((x + length / 2.0, y), Anchor::Middle, name, LABEL_SIZE, INK);
    };
    block(encoder, wide, narrow, "encoder");
    block(decoder, narrow, wide, "decoder");
    let frame = Rect::new(latent, y - narrow, 48.0, 2.0 * narrow);
    scene.area(frame.corners(), ORANGE);
    scene.border(frame, INK, 1.2);
    scene.label((latent + 24.0, y), Anchor::Middle, "z", LABEL_SIZE + 2.0, INK);
    scene.text((latent + 24.0, y + wide + 26.0), Anchor::Middle, "z = μ + T σ n, n ~ N(0, 1)", TICK_SIZE, INK);
    scene.text((latent + 24.0, y + wide + 43.0), Anchor::Middle, "new noise n in every trial", TICK_SIZE, GRAY);
    arrow(scene, (decoder + length + 6.0, y), (TRIALS - 12.0, y));
}

/// An image with a border, whole and in the middle of its frame.
fn picture(scene: &mut Scene, frame: Rect, image: &Image, color: Color, width: f64) {
    let frame = fitted(image, frame);
    scene.bitmap(frame, image.bitmap());
    scene.border(frame, color, width);
}

fn arrow(scene: &mut Scene, from: Point, (x, y): Point) {
    scene.rule([from, (x - 6.0, y)], INK, 1.5);
    scene.area([(x, y), (x - 9.0, y - 4.5), (x - 9.0, y + 4.5)], INK);
}

fn check(scene: &mut Scene, (x, y): Point, color: Color) {
    scene.rule([(x - 5.5, y), (x - 1.5, y + 4.5), (x + 6.0, y - 5.0)], color, 2.4);
}

fn cross(scene: &mut Scene, (x, y): Point, color: Color) {
    scene.rule([(x - 4.5, y - 4.5), (x + 4.5, y + 4.5)], color, 2.0);
    scene.rule([(x - 4.5, y + 4.5), (x + 4.5, y - 4.5)], color, 2.0);
}
