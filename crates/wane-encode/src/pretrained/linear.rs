//! A linear layer, `y = x W^T + b`, in `f32` or in 8-bit integers.
//!
//! Integers: each output's weights share one scale, `w = s_o q`, `|q| <= 127`; each row of inputs has its own scale and zero,
//! found from its smallest and largest number when it comes, `x = s_r (u - z)`, `0 <= u <= 127`. Then
//! `y = s_r s_o (sum u q - z sum q) + b` with exact sums of integers (Jacob and others, "Quantization and training of neural networks
//! for efficient integer-arithmetic-only inference", CVPR 2018). Seven bits for the inputs: the processor's product of 8-bit
//! pairs adds two of them in 16 bits, and `2 * 127 * 127` still fits.

use pulp::Arch;
use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;
use rten_vecmath::MinMax;

/// The largest quantised input.
const INPUT_TOP: f32 = 255.0;
/// The largest quantised weight.
const WEIGHT_TOP: f32 = 64.0;

/// A layer's weights, laid out for the processor. What multiplies them is chosen anew for each product, which costs nothing, for it cannot go
/// from thread to thread.
pub(super) struct Linear {
    inputs: usize,
    outputs: usize,
    bias: Vec<f32>,
    weights: Weights,
}

enum Weights {
    F32 { packed: PackedBMatrix<f32> },
    Int8 { packed: PackedBMatrix<i8>, scales: Vec<f32>, totals: Vec<f32> },
}

/// Room for quantised inputs, used again from layer to layer.
#[derive(Default)]
pub(super) struct Quantised {
    rows: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<f32>,
    sums: Vec<i32>,
}

impl Linear {
    /// Weights row by output, `outputs` rows of `inputs` numbers, and a bias for each output.
    pub(super) fn new(weights: &[f32], bias: Vec<f32>, int8: bool) -> Self {
        let outputs = bias.len();
        let inputs = weights.len() / outputs.max(1);
        let shape = [outputs, inputs];
        let weights = if int8 {
            let executor = GemmExecutor::<u8, i8, i32>::default();
            let scale =
                |row: &[f32]| row.iter().fold(f32::MIN_POSITIVE, |top, w| top.max(w.abs())) / WEIGHT_TOP;
            let scales: Vec<f32> = weights.chunks_exact(inputs.max(1)).map(scale).collect();
            let rows = weights.chunks_exact(inputs.max(1)).zip(&scales);
            let quantised: Vec<i8> =
                rows.flat_map(|(row, scale)| row.iter().map(move |w| (w / scale).round() as i8)).collect();
            let packed = executor.prepack_b(NdTensorView::from_data(shape, &quantised[..]).transposed());
            // Sums of each output's weights: what a zero of the inputs adds is taken back by hand, since the crate (0.27)
            // takes the zeros of the first rows for those of all.
            let total = |row: &[i8]| row.iter().map(|q| i32::from(*q)).sum::<i32>() as f32;
            let totals = quantised.chunks_exact(inputs.max(1)).map(total).collect();
            Weights::Int8 { packed, scales, totals }
        } else {
            let executor = GemmExecutor::<f32>::default();
            let packed = executor.prepack_b(NdTensorView::from_data(shape, weights).transposed());
            Weights::F32 { packed }
        };
        Self { inputs, outputs, bias, weights }
    }

    /// Outputs of rows of inputs, row by row; `out` gets their size.
    pub(super) fn apply(&self, rows: &[f32], out: &mut Vec<f32>, room: &mut Quantised) {
        let n = rows.len() / self.inputs.max(1);
        out.resize(n * self.outputs, 0.0);
        let shape = [n, self.inputs];
        match &self.weights {
            Weights::F32 { packed } => {
                let executor = GemmExecutor::<f32>::default();
                let options =
                    GemmOptions { bias: Some(BiasVector::Row(&self.bias)), ..GemmOptions::default() };
                let rows = GemmInputA::Unpacked(NdTensorView::from_data(shape, rows));
                // It fails for shapes that do not fit each other alone, and these are this layer's own.
                let done = executor.gemm(out, rows, GemmInputB::Packed(packed), options);
                debug_assert!(done.is_ok());
            }
            Weights::Int8 { packed, scales, totals } => {
                let executor = GemmExecutor::<u8, i8, i32>::default();
                room.fill(rows, self.inputs);
                grow(&mut room.sums, n * self.outputs);
                let options = GemmOptions::default();
                let rows = GemmInputA::Unpacked(NdTensorView::from_data(shape, &room.rows[..rows.len()]));
                let done = executor.gemm(
                    &mut room.sums[..n * self.outputs],
                    rows,
                    GemmInputB::Packed(packed),
                    options,
                );
                debug_assert!(done.is_ok());
                room.scaled(scales, totals, &self.bias, out);
            }
        }
    }
}

impl Quantised {
    fn fill(&mut self, rows: &[f32], inputs: usize) {
        self.scales.clear();
        self.zeros.clear();
        grow(&mut self.rows, rows.len());
        for (row, out) in rows.chunks_exact(inputs.max(1)).zip(self.rows.chunks_exact_mut(inputs.max(1))) {
            let (scale, zero) = scale_and_zero(row);
            quantise(row, 1.0 / scale, zero, out);
            self.scales.push(scale);
            self.zeros.push(zero);
        }
    }

    /// `out = s_r s_o (sum - z total) + bias`.
    fn scaled(&self, of_outputs: &[f32], totals: &[f32], bias: &[f32], out: &mut [f32]) {
        let width = bias.len().max(1);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let rows = out.chunks_exact_mut(width).zip(self.sums.chunks_exact(width));
                for ((out, sums), (of_row, zero)) in rows.zip(self.scales.iter().zip(&self.zeros)) {
                    let outputs = of_outputs.iter().zip(totals).zip(bias);
                    for ((out, sum), ((scale, total), bias)) in out.iter_mut().zip(sums).zip(outputs) {
                        *out = (*sum as f32 - zero * total) * (of_row * scale) + bias;
                    }
                }
            },
        );
    }
}

/// Makes room for `n` numbers; what stands there does not matter.
fn grow<T: Copy + Default>(numbers: &mut Vec<T>, n: usize) {
    if numbers.len() < n {
        numbers.resize(n, T::default());
    }
}

/// The scale of a row, and what stands for 0. The range always holds 0, which is thus exact.
fn scale_and_zero(row: &[f32]) -> (f32, f32) {
    let (low, high) = MinMax::new(row).dispatch();
    let scale = ((high.max(0.0) - low.min(0.0)) / INPUT_TOP).max(f32::MIN_POSITIVE);
    (scale, (-low.min(0.0) / scale).round())
}

/// `out = x factor + zero`, rounded: beside this number a `f32` has no places behind the point, and its last byte is what is left.
fn quantise(row: &[f32], factor: f32, zero: f32, out: &mut [u8]) {
    const WHOLE: f32 = 12_582_912.0;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (out, x) in out.iter_mut().zip(row) {
                *out = ((x * factor + zero).clamp(0.0, INPUT_TOP) + WHOLE).to_bits() as u8;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(int8: bool) -> (Vec<f32>, Vec<f32>, Linear) {
        let weights: Vec<f32> = (0..7 * 40).map(|n| ((n * 7_919 % 113) as f32 - 56.0) / 100.0).collect();
        let bias: Vec<f32> = (0..7).map(|n| n as f32).collect();
        let linear = Linear::new(&weights, bias.clone(), int8);
        (weights, bias, linear)
    }

    fn plain(rows: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
        let outputs = |row: &[f32]| -> Vec<f32> {
            let sums =
                weights.chunks(row.len()).map(|own| own.iter().zip(row).map(|(w, x)| w * x).sum::<f32>());
            sums.zip(bias).map(|(sum, bias)| sum + bias).collect()
        };
        rows.chunks(40).flat_map(outputs).collect()
    }

    #[test]
    fn it_is_a_product_and_a_sum() {
        // More rows than the processor takes at once.
        let rows: Vec<f32> = (0..30 * 40).map(|n| ((n * 31 % 17) as f32 - 4.0) / 5.0).collect();
        for (int8, error) in [(false, 1e-5), (true, 0.05)] {
            let (weights, bias, linear) = layer(int8);
            let mut out = Vec::new();
            linear.apply(&rows, &mut out, &mut Quantised::default());
            for (found, expected) in out.iter().zip(plain(&rows, &weights, &bias)) {
                assert!((found - expected).abs() < error, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn quantised_rows_keep_nought_and_both_ends() {
        let mut room = Quantised::default();
        for row in [[-1.0, 0.0, 3.0], [0.0, 0.0, 0.0], [2.0, 4.0, 8.0], [-4.0, -2.0, 0.0]] {
            room.fill(&row, 3);
            for (x, own) in row.iter().zip(&room.rows) {
                let back = room.scales[0] * (f32::from(*own) - room.zeros[0]);
                assert!((x - back).abs() <= room.scales[0] * 0.51, "{x} came back as {back}");
            }
        }
    }
}
