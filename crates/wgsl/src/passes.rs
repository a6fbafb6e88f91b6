//! `score` on the device: a model, the samples of a group, and the dispatches that turn tiles of trials into errors.

use crate::{
    choice::Choice,
    gpu::{Dispatch, Gpu},
    group::Group,
    plan::{Plan, Tile},
    screen::Few,
    source,
    tally::Tiles,
};
use retrial_host::{DARK, tiled};
use retrial_spec::{Precision, Problem, Result, rng};

/// Which trials of a submission are scored, and by which pixels.
#[derive(Clone, Copy)]
pub(crate) enum Pass<'a> {
    /// All, by all pixels.
    All,
    /// All, by a few pixels of each sample; what they let through is listed.
    Screen(&'a Few),
    /// What is listed, by all pixels.
    List,
}

impl Pass<'_> {
    fn number(self) -> u32 {
        match self {
            Pass::All => source::PASSES[0],
            Pass::Screen(_) => source::PASSES[1],
            Pass::List => source::PASSES[2],
        }
    }
}

/// A run of tiles: some trials of a group's samples.
#[derive(Clone, Copy)]
pub(crate) struct Span<'n> {
    pub first: u64,
    pub trials: u64,
    /// Given normals `[samples of the group, trials, latent]` instead of those of the trials.
    pub given: Option<&'n [f32]>,
}

/// A model, and room for what one submission passes from one dispatch to the next.
pub(crate) struct Passes {
    pub plan: Plan,
    pub choice: Choice,
    /// The tile in one stage and in two.
    staged: [Tile; 2],
    text: &'static str,
    latent: u64,
    seed: u64,
    w3: wgpu::Buffer,
    b3: wgpu::Buffer,
    w4: wgpu::Buffer,
    b4: wgpu::Buffer,
    hidden: wgpu::Buffer,
    flags: wgpu::Buffer,
    units: wgpu::Buffer,
    /// Positions of trials that a screen let through, behind their number.
    pub listed: wgpu::Buffer,
    /// What a pass binds where it neither reads nor writes.
    unread: wgpu::Buffer,
    unwritten: wgpu::Buffer,
}

impl Passes {
    pub(crate) fn new(
        gpu: &Gpu,
        problem: &Problem,
        plan: Plan,
        staged: [Tile; 2],
        precision: Precision,
        choice: Choice,
    ) -> Result<Self> {
        let (shape, weights) = (problem.shape(), problem.weights());
        let (text, bytes) = match precision {
            Precision::F16 => (source::SCORE_F16, 2),
            _ => (source::SCORE, 4),
        };
        let Plan { tile, hidden, pixels, tiles, .. } = plan;
        let (w3, b3) = tiled(&weights.decoder_fc1, 8, hidden as usize, shape.latent, 0.0);
        let (w4, b4) = tiled(&weights.decoder_fc2, tile.pixels() as usize, pixels as usize, hidden as usize, DARK);
        Ok(Self {
            plan,
            choice,
            staged,
            text,
            latent: shape.latent as u64,
            seed: problem.seed(),
            w3: gpu.upload(&w3)?,
            b3: gpu.upload(&b3)?,
            w4: gpu.upload(&w4)?,
            b4: gpu.upload(&b4)?,
            hidden: gpu.buffer(tiles * tile.trials() * hidden * bytes / 4)?,
            flags: gpu.buffer(tiles * hidden.div_ceil(32))?,
            units: gpu.buffer(tiles * (1 + hidden))?,
            listed: gpu.buffer(1 + tiles * tile.trials())?,
            unread: gpu.buffer(1)?,
            unwritten: gpu.buffer(1)?,
        })
    }

    /// The pipeline of an entry point, with values for those constants that it uses.
    fn pipeline(&self, gpu: &Gpu, entry: &str, pass: Pass<'_>) -> Result<wgpu::ComputePipeline> {
        let Tile { tx, ty, depth } = self.staged[usize::from(self.choice.double)];
        let (skip, pass) = (u64::from(self.choice.skip), pass.number().into());
        let constants = match entry {
            "hidden" => vec![("TX", tx), ("LATENT", self.latent), ("SKIP", skip), ("PASS", pass)],
            "alive" => vec![("DEPTH", depth)],
            _ => {
                let stages = self.choice.stages();
                vec![("TX", tx), ("TY", ty), ("DEPTH", depth), ("STAGES", stages), ("SKIP", skip), ("PASS", pass)]
            }
        };
        let constants: Vec<_> = constants.into_iter().map(|(name, value)| (name, value as f64)).collect();
        gpu.pipeline(self.text, entry, &constants)
    }

    /// Scores tiles of a span in one pass: `errors [tiles, T]`. Given normals come in the order of tiles.
    pub(crate) fn dispatches<'a>(
        &'a self,
        gpu: &Gpu,
        group: &'a Group,
        span: Span<'_>,
        tiles: Tiles,
        pass: Pass<'a>,
        [noise, errors]: [&'a wgpu::Buffer; 2],
    ) -> Result<Vec<Dispatch<'a>>> {
        let plan = &self.plan;
        let (count, samples) = (tiles.count as u64, &group.samples);
        let [mut w4, mut b4, mut images] = [&self.w4, &self.b4, &group.images];
        let (mut pixels, mut own, mut limit) = (plan.pixels, 0, 0.0);
        let (mut listed, mut passing) = (&self.unread, &self.unwritten);
        match pass {
            Pass::All => (),
            Pass::Screen(few) => {
                [w4, b4, images] = [&few.w4, &few.b4, &few.images];
                (pixels, own, limit) = (few.pixels, few.pixels / 4, few.limit);
                passing = &self.listed;
            }
            Pass::List => listed = &self.listed,
        }
        let params = gpu.params(source::Score {
            key: rng::key(self.seed),
            first: source::halves(span.first),
            tiles: count as u32,
            skip: tiles.skip as u32,
            samples: samples.len() as u32,
            piece: tiles.piece as u32,
            trials: span.trials as u32,
            sample: samples.start as u32,
            hidden: plan.hidden as u32,
            pixels: pixels as u32,
            given: span.given.is_some().into(),
            own: own as u32,
            limit,
            pad: 0,
        })?;
        let hidden = self.pipeline(gpu, "hidden", pass)?;
        let mut dispatches = vec![Dispatch {
            pipeline: hidden,
            buffers: vec![
                (1, &group.mu),
                (2, &group.scale),
                (3, noise),
                (4, &self.w3),
                (5, &self.b3),
                (6, &self.hidden),
                (12, &self.flags),
                (15, listed),
            ],
            params: params.clone(),
            groups: count * plan.tile.trials() / 32,
        }];
        if self.choice.skip {
            dispatches.push(Dispatch {
                pipeline: self.pipeline(gpu, "alive", pass)?,
                buffers: vec![(12, &self.flags), (13, &self.units)],
                params: params.clone(),
                groups: count,
            });
        }
        dispatches.push(Dispatch {
            pipeline: self.pipeline(gpu, "score", pass)?,
            buffers: vec![
                (7, &self.hidden),
                (8, w4),
                (9, b4),
                (10, images),
                (11, errors),
                (14, &self.units),
                (15, listed),
                (16, passing),
            ],
            params,
            groups: count,
        });
        Ok(dispatches)
    }
}
