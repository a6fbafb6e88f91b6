use super::*;
use retrial_spec::{Linear, Posterior, Shape, Weights, rng::Stream};

/// A model whose weights are `draw(stream)`, with means and scales of about 1.
fn problem(shape: Shape, samples: usize, mut draw: impl FnMut(&mut Stream) -> f32) -> Problem {
    let mut stream = Stream::new(5, 0);
    let mut values = |n: usize| -> Vec<f32> { (0..n).map(|_| draw(&mut stream)).collect() };
    let mut layer = |outputs: usize, inputs: usize| Linear {
        outputs,
        inputs,
        weight: values(outputs * inputs),
        bias: values(outputs),
    };
    let Shape { pixels, hidden, latent } = shape;
    let weights = Weights {
        encoder_fc1: layer(hidden, pixels),
        encoder_fc_mu: layer(latent, hidden),
        encoder_fc_logvar: layer(latent, hidden),
        decoder_fc1: layer(hidden, latent),
        decoder_fc2: layer(pixels, hidden),
    };
    let n = samples * latent;
    let posterior = Posterior {
        mu: (0..n).map(|i| (i * 7 % 11) as f32 / 4.0 - 1.0).collect(),
        logvar: (0..n).map(|i| -((i * 5 % 7) as f32)).collect(),
    };
    Problem::new(weights, vec![0.5; samples * pixels], &posterior, 1.0, 3).unwrap()
}

fn shape(pixels: usize, hidden: usize, latent: usize) -> Shape {
    Shape { pixels, hidden, latent }
}

fn uniform(stream: &mut Stream) -> f32 {
    (stream.uniform() * 2.0 - 1.0) as f32
}

/// Multiples of 1/16 up to 1, which f16 and bf16 hold exactly, and which add up without a rounding.
fn dyadic(stream: &mut Stream) -> f32 {
    stream.below(33) as f32 / 16.0 - 1.0
}

fn wide(operand: Operand, bits: u16) -> f64 {
    if operand == Operand::Bf16 { bf16::from_bits(bits).to_f64() } else { f16::from_bits(bits).to_f64() }
}

/// A matrix `[rows, columns]` from its image, core matrix by core matrix, in the order in which they lie.
fn unpacked(image: &[u16], rows: usize, operand: Operand) -> Vec<Vec<f64>> {
    let mut matrix = vec![vec![f64::NAN; image.len() / rows]; rows];
    let mut words = image.iter();
    for slab in 0..image.len() / rows / 16 {
        for eight_rows in 0..rows / 8 {
            for half in 0..2 {
                for row in 0..8 {
                    for column in 0..8 {
                        let at = &mut matrix[eight_rows * 8 + row][slab * 16 + half * 8 + column];
                        *at = wide(operand, *words.next().unwrap());
                    }
                }
            }
        }
    }
    matrix
}

/// W4 as the kernel sees it, `[pixels][hidden]`, parts added up.
fn unpacked_w4(decoder: &Decoder, operand: Operand) -> Vec<Vec<f64>> {
    let tiles = decoder.w4.chunks(operand.parts() * PIXELS * decoder.hidden);
    tiles
        .flat_map(|tile| {
            let slabs = tile.chunks(PIXELS * SLAB).enumerate();
            let part = |part| -> Vec<u16> {
                let of_part = slabs.clone().filter(|(slab, _)| slab % operand.parts() == part);
                of_part.flat_map(|(_, slab)| slab.to_vec()).collect()
            };
            let mut sum = unpacked(&part(0), PIXELS, operand);
            if operand.parts() == 2 {
                let low = unpacked(&part(1), PIXELS, operand);
                sum.iter_mut().flatten().zip(low.iter().flatten()).for_each(|(sum, low)| *sum += low);
            }
            sum
        })
        .collect()
}

/// What a thread multiplies W3 with, from the latents of a trial: `[slots]`.
fn operands(z: &[f32], operand: Operand) -> Vec<f64> {
    let part = |d: usize, part: usize| wide(operand, operand.split(z[d])[part]);
    slots(z.len())
        .into_iter()
        .map(|slot| match slot {
            Slot::HighHigh(d) | Slot::HighLow(d) => part(d, 0),
            Slot::LowHigh(d) => part(d, 1),
            Slot::BiasHigh | Slot::BiasLow => 1.0,
            Slot::Nothing => 77.0,
        })
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn elements_lie_where_the_kernels_look() {
    for (n, k, byte) in [(0, 0, 0), (0, 7, 14), (1, 0, 16), (7, 3, 118), (0, 8, 128), (9, 5, 282), (111, 15, 3582)] {
        assert_eq!(2 * place(n, k), byte, "({n}, {k})");
    }
    let problem = problem(shape(225, 33, 3), 1, dyadic);
    let decoder = Decoder::new(&problem, Operand::Bf16).unwrap();
    assert_eq!((decoder.hidden, decoder.pixels, decoder.steps), (48, 336, 1));
    // Pixel 224 is the first of the third tile, unit 32 the first of the third slab.
    let at = (2 * 3 + 2) * PIXELS * SLAB;
    assert_eq!(wide(Operand::Bf16, decoder.w4[at]), f64::from(problem.weights().decoder_fc2.weight[224 * 33 + 32]));
}

/// Slots of the paper's model as section by section of its table, written out.
#[test]
fn the_paper_has_four_slabs_of_slots() {
    let slots = slots(20);
    assert_eq!(slots.len(), 64);
    for q in 0..4 {
        let of_thread = |step: usize| [0, 1, 8, 9].map(|k| slots[16 * step + 2 * q + k]);
        assert_eq!(of_thread(0), [0, 1, 2, 3].map(|e| Slot::HighHigh(4 * q + e)));
        assert_eq!(of_thread(1), [0, 1, 2, 3].map(|e| Slot::LowHigh(4 * q + e)));
        assert_eq!(of_thread(2), [0, 1, 2, 3].map(|e| Slot::HighLow(4 * q + e)));
        let bias = [Slot::BiasHigh, Slot::BiasLow, Slot::Nothing, Slot::Nothing][q];
        assert_eq!(of_thread(3), [Slot::HighHigh(16 + q), Slot::HighLow(16 + q), Slot::LowHigh(16 + q), bias]);
    }
}

#[test]
fn every_product_has_one_slot() {
    for latent in 1..=Shape::MAX.latent {
        let slots = slots(latent);
        let count = |slot| slots.iter().filter(|&&s| s == slot).count();
        for d in 0..latent {
            assert!([Slot::HighHigh(d), Slot::LowHigh(d), Slot::HighLow(d)].map(count) == [1; 3], "{latent}: {d}");
        }
        assert_eq!((count(Slot::BiasHigh), count(Slot::BiasLow)), (1, 1));
        assert_eq!(slots.len() - count(Slot::Nothing), 3 * latent + 2);
        let least = (3 * latent + 2).next_multiple_of(16);
        assert!(slots.len() == least || (latent % 16 > 8 && slots.len() == least + 16), "{latent}: {}", slots.len());
    }
}

/// Where no operand is rounded, the images give the very products of the model, in every precision.
#[test]
fn products_of_the_images_are_those_of_the_model() {
    for shape in [shape(1, 1, 1), shape(113, 17, 9), shape(224, 100, 20), shape(100, 48, 33)] {
        let problem = problem(shape, 2, dyadic);
        let (fc1, fc2) = (&problem.weights().decoder_fc1, &problem.weights().decoder_fc2);
        let z: Vec<f32> = (0..shape.latent).map(|d| (d % 9) as f32 / 2.0 - 2.0).collect();
        for operand in [Operand::F16, Operand::Bf16, Operand::F16x3] {
            let decoder = Decoder::new(&problem, operand).unwrap();
            // The shifts as the images show them: what became of a mean of 1 is not asked, the ratio of scales is.
            let shift = |d: usize| decoder.scale[d] / problem.scales()[d];
            let shifted: Vec<f32> = (0..shape.latent).map(|d| z[d] * shift(d)).collect();
            let slots = operands(&shifted, operand);
            let w3 = unpacked(&decoder.w3, decoder.hidden, operand);
            let units: Vec<f64> = w3.iter().map(|row| dot(row, &slots).max(0.0)).collect();
            assert!(units[shape.hidden..].iter().all(|&h| h == 0.0));
            let w4 = unpacked_w4(&decoder, operand);
            let factor = f64::from(decoder.factor / -std::f32::consts::LOG2_E);
            for (pixel, row) in w4.iter().enumerate() {
                let want = fc2.weight.chunks(shape.hidden).nth(pixel).map_or(0.0, |w| {
                    let h = fc1.weight.chunks(shape.latent).zip(&fc1.bias).map(|(row, b)| {
                        let sum: f32 = row.iter().zip(&z).map(|(w, z)| w * z).sum();
                        f64::from((sum + b).max(0.0))
                    });
                    w.iter().zip(h).map(|(&w, h)| f64::from(w) * h).sum()
                });
                assert_eq!(dot(row, &units) * factor, want, "{shape} {operand:?} pixel {pixel}");
            }
            assert_eq!(decoder.bias[0], -std::f32::consts::LOG2_E * fc2.bias[0]);
            assert!(decoder.bias[shape.pixels..].iter().all(|&bias| bias == 1e30));
        }
    }
}

/// Random weights: the first layer to 2e-6 with f16, W4 to 2^-22 of its largest with two of them.
#[test]
fn two_operands_are_as_good_as_f32() {
    for shape in [shape(30, 400, 20), shape(30, 100, 128), shape(30, 64, 1)] {
        let problem = problem(shape, 3, uniform);
        let fc1 = &problem.weights().decoder_fc1;
        for operand in [Operand::F16, Operand::F16x3] {
            let decoder = Decoder::new(&problem, operand).unwrap();
            let z: Vec<f32> = (0..shape.latent).map(|d| decoder.mu[d] + 2.3 * decoder.scale[d]).collect();
            let slots = operands(&z, operand);
            for (n, row) in unpacked(&decoder.w3, decoder.hidden, operand)[..shape.hidden].iter().enumerate() {
                let weights = &fc1.weight[n * shape.latent..][..shape.latent];
                let real = |d: usize| f64::from(z[d]) * f64::from(problem.scales()[d] / decoder.scale[d]);
                let terms: Vec<f64> = (0..shape.latent).map(|d| f64::from(weights[d]) * real(d)).collect();
                let (got, want) = (dot(row, &slots), terms.iter().sum::<f64>() + f64::from(fc1.bias[n]));
                let size = terms.iter().map(|t| t.abs()).sum::<f64>() + f64::from(fc1.bias[n].abs());
                // The unit's power of two, from the ratio.
                let unit = 2f64.powf((got / want).log2().round());
                assert!((got / unit - want).abs() <= 2e-6 * size, "{shape} unit {n}: {} of {want}", got / unit);
            }
        }
        let [high, both] = [Operand::F16, Operand::F16x3].map(|operand| {
            let decoder = Decoder::new(&problem, operand).unwrap();
            let shifts = Shifts::new(&problem);
            let w4 = unpacked_w4(&decoder, operand);
            let far = |n: usize, k: usize| {
                let want = f64::from(problem.weights().decoder_fc2.weight[n * shape.hidden + k]);
                (w4[n][k] * 2f64.powi(-shifts.units[k] - shifts.weights) - want).abs()
            };
            (0..shape.pixels)
                .flat_map(|n| (0..shape.hidden).map(move |k| (n, k)))
                .map(|(n, k)| far(n, k))
                .fold(0.0, f64::max)
        });
        assert!(both <= 2f64.powi(-22) && (2f64.powi(-13)..=2f64.powi(-12)).contains(&high), "{shape}: {high} {both}");
    }
}

/// Weights of any size are the same operands: only the powers of two differ.
#[test]
fn sizes_of_layers_change_no_operand() {
    let shape = shape(50, 40, 5);
    let small = problem(shape, 2, uniform);
    let want = Decoder::new(&small, Operand::F16).unwrap();
    for (first, second) in [(-60, 0), (17, -3), (10, 19), (-20, -100)] {
        let mut weights = small.weights().clone();
        let layers = [(&mut weights.decoder_fc1, first), (&mut weights.decoder_fc2, second)];
        for (layer, power) in layers {
            layer.weight.iter_mut().for_each(|w| *w = times(*w, power));
        }
        weights.decoder_fc1.bias.iter_mut().for_each(|b| *b = times(*b, first));
        let large = Problem::new(weights, small.images().to_vec(), small.posterior(), 1.0, 3).unwrap();
        let got = Decoder::new(&large, Operand::F16).unwrap();
        assert!(got.w3 == want.w3 && got.w4 == want.w4, "{first} {second}");
        assert_eq!(got.factor, times(want.factor, first + second));
    }
}

/// No unit and no latent leaves f16, not even with given noise, and what one sample's range costs another is refused.
#[test]
fn the_range_is_bounded_over_all_samples() {
    let shape = shape(40, 60, 6);
    let model = problem(shape, 3, uniform);
    let with = |mu: f32| {
        let mut posterior = model.posterior().clone();
        posterior.mu[7] = mu;
        Problem::new(model.weights().clone(), model.images().to_vec(), &posterior, 2.0, 3).unwrap()
    };
    for mu in [0.0, -300.0, 1e4] {
        let problem = with(mu);
        let decoder = Decoder::new(&problem, Operand::F16).unwrap();
        let w3 = unpacked(&decoder.w3, decoder.hidden, Operand::F16);
        for sample in 0..3 {
            let sign = |d: usize, row: &[f64]| {
                slots(6).iter().zip(row).find(|(s, _)| **s == Slot::HighHigh(d)).unwrap().1.signum() as f32
            };
            for row in &w3[..60] {
                let z: Vec<f32> = (0..6)
                    .map(|d| {
                        let (mu, scale) = (decoder.mu[sample * 6 + d], decoder.scale[sample * 6 + d]);
                        mu + scale * Operand::F16.most_noise() * sign(d, row)
                    })
                    .collect();
                assert!(z.iter().all(|z| z.abs() < 32_768.0) && dot(row, &operands(&z, Operand::F16)) < 65_504.0);
            }
        }
        let largest = decoder.w4.iter().map(|&w| wide(Operand::F16, w).abs()).fold(0.0, f64::max);
        assert!((8192.0..=16384.0).contains(&largest), "{largest}");
    }
    let Underflow { lost, most } = Decoder::new(&with(1e9), Operand::F16).unwrap_err();
    assert!(lost > most && most == 2f64.powi(-12));
    assert!(Decoder::new(&with(1e4), Operand::F16x3).is_err(), "f32 grade asks for more");
    assert!(Decoder::new(&with(1e12), Operand::Bf16).is_ok());
}
