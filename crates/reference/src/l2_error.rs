use crate::rows;

/// `||x_i - y_ij||_2` (Eq. 16), `[N, W]`, of images `[N, pixels]` and outputs `[N, W, pixels]`.
pub fn l2_error(images: &[f64], outputs: &[f64], pixels: usize) -> Vec<f64> {
    let samples = rows(images.len(), pixels);
    let window = rows(outputs.len(), images.len());
    let mut errors = vec![];
    for i in 0..samples {
        for j in 0..window {
            let mut sum = 0.0;
            for p in 0..pixels {
                let difference = images[i * pixels + p] - outputs[(i * window + j) * pixels + p];
                sum += difference * difference;
            }
            errors.push(sum.sqrt());
        }
    }
    errors
}
