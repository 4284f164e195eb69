//! Every inner loop against its plain twin, at lengths around the width of vectors.

use super::*;

const LENGTHS: [usize; 7] = [0, 1, 15, 16, 17, 48, 101];

/// Numbers without a pattern that vectors could follow.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    (0..n as u32)
        .map(|k| ((k + 1).wrapping_mul(seed.wrapping_mul(2_654_435_761)) >> 8) as f32 / 4_194_304.0 - 2.0)
        .collect()
}

fn assert_close(ours: &[f32], plain: &[f32]) {
    assert_eq!(ours.len(), plain.len());
    for (ours, plain) in ours.iter().zip(plain) {
        assert!((ours - plain).abs() <= 1e-5 * (1.0 + plain.abs()), "{ours} is not {plain}");
    }
}

#[test]
fn exponentials_and_their_kin_are_those_of_the_library() {
    let mut wide: Vec<f32> = (-870..880).map(|tenth| tenth as f32 / 10.0).collect();
    wide.extend([0.0, -0.0, 1e-6, -1e-6, 0.249, 0.251, -0.249]);
    let mut ours = wide.clone();
    exp_all(&mut ours);
    for (ours, x) in ours.iter().zip(&wide) {
        assert!((ours / x.exp() - 1.0).abs() < 1e-6, "exp {x}");
    }
    let mut ours = wide.clone();
    asinh_all(&mut ours);
    for (ours, &x) in ours.iter().zip(&wide) {
        let plain = f64::from(x).asinh();
        assert!((f64::from(*ours) - plain).abs() <= 1e-6 * plain.abs().max(1e-6), "asinh {x}");
    }
    let counts: Vec<f32> = (0..200).map(|k| (k as f32 * 0.1).exp() - 1.0).collect();
    let mut ours = counts.clone();
    ln_1p_all(&mut ours);
    for (ours, x) in ours.iter().zip(&counts) {
        assert!((ours - x.ln_1p()).abs() < 1e-6 * (1.0 + x.ln_1p()), "ln(1 + {x})");
    }
    let mut beyond = [-1e30, 1e30];
    exp_all(&mut beyond);
    assert!(beyond[0] >= 0.0 && beyond[0] < 1e-37 && beyond[1].is_finite());
}

#[test]
fn a_softmax_sums_to_its_total() {
    for n in LENGTHS.into_iter().filter(|&n| n > 0) {
        let logits = numbers(n, 3);
        let mut row = logits.clone();
        let log_sum = softmax(&mut row, 0.25);
        let sum: f32 = logits.iter().map(|z| z.exp()).sum();
        let plain: Vec<f32> = logits.iter().map(|z| 0.25 * z.exp() / sum).collect();
        assert_close(&row, &plain);
        assert_close(&[log_sum], &[sum.ln()]);
    }
}

#[test]
fn products_and_sums_are_plain_ones() {
    for n in LENGTHS {
        let (a, b) = (numbers(n, 5), numbers(n, 7));
        assert_close(&[dot(&a, &b)], &[a.iter().zip(&b).map(|(a, b)| a * b).sum()]);
        let mut y = a.clone();
        add_scaled(&mut y, 1.5, &b);
        let plain: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + 1.5 * b).collect();
        assert_close(&y, &plain);
        let words: Vec<u32> = (0..n as u32).map(|k| k.wrapping_mul(2_654_435_761)).collect();
        for shift in [0, 8, 16, 24] {
            let bytes: Vec<f32> = words.iter().map(|word| ((word >> shift) & 255) as f32).collect();
            let mut y = a.clone();
            add_bytes(&mut y, 0.1, &words, shift);
            let plain: Vec<f32> = a.iter().zip(&bytes).map(|(a, byte)| a + 0.1 * byte).collect();
            assert_close(&y, &plain);
            let plain: f32 = a.iter().zip(&bytes).map(|(a, byte)| a * byte).sum();
            assert!((dot_bytes(&a, &words, shift) - plain).abs() <= 1e-5 * 256.0 * n as f32);
        }
    }
}

#[test]
fn a_step_of_the_trace_and_its_way_back_are_plain_ones() {
    for dim in LENGTHS.into_iter().filter(|&n| n > 0) {
        let (kept, weights) = ([0.9, 0.2], [1.5, -0.5]);
        let (state, x) = (numbers(2 * dim, 11), numbers(dim, 13));
        let mut next = vec![0.0; 2 * dim];
        advance(&mut next, &state, &kept, &weights, &x);
        let plain: Vec<f32> =
            (0..2 * dim).map(|k| kept[k / dim] * state[k] + weights[k / dim] * x[k % dim]).collect();
        assert_close(&next, &plain);
        let before = numbers(2 * dim, 17);
        let mut adjoint = before.clone();
        let (mut dx, mut along_state, mut along_x) = (vec![0.0; dim], [0.0; 2], [0.0; 2]);
        Retreat {
            adjoint: &mut adjoint,
            state: &state,
            kept: &kept,
            weights: &weights,
            x: &x,
            dx: &mut dx,
            along_state: &mut along_state,
            along_x: &mut along_x,
        }
        .run();
        for m in 0..2 {
            let of_scale = &before[m * dim..][..dim];
            let plain = |other: &[f32]| of_scale.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
            assert_close(&[along_state[m], along_x[m]], &[plain(&state[m * dim..][..dim]), plain(&x)]);
        }
        let plain: Vec<f32> = (0..2 * dim).map(|k| kept[k / dim] * before[k]).collect();
        assert_close(&adjoint, &plain);
        let plain: Vec<f32> =
            (0..dim).map(|k| weights[0] * before[k] + weights[1] * before[dim + k]).collect();
        assert_close(&dx, &plain);
    }
}
