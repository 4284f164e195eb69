//! Products with weights of 8 bits, `y = W x`, for inputs in `f32`.
//!
//! 32 weights of a row share a scale and an offset, `w = s q + o`, `-128 <= q <= 127`, so that
//! `y = sum over blocks of (s sum q x + o sum x)`. Weights that the file has in 8 bits (`Q8_0`) stay as they are, with offsets of 0; of all
//! others a block goes from its smallest number to its greatest or is even about 0, whichever loses less: next to nothing of 4 or 5 bits.
//! Inputs are not rounded: to do so, as is usual, moved likelihoods of SmolLM2-135M by up to .12 per token, and differently on different processors.
//!
//! A few rows are bound by memory: weights go from bytes to sums at once. Many rows are bound by arithmetic: weights are written out in
//! `f32`, [`PANEL`] outputs at a time, and multiplied by rten's kernels. Each number has one order of summation, whatever the threads.

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Result};
use half::f16;
use pulp::Arch;
use rayon::prelude::*;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;

/// Weights that share a scale.
const BLOCK: usize = 32;
/// Numbers that are added up side by side.
const LANES: usize = 16;
/// Rows up to which weights are not written out.
const FEW: usize = 3;
/// Outputs whose weights are written out at once.
const PANEL: usize = 128;

/// A matrix of weights.
pub(super) struct Product {
    inputs: usize,
    numbers: Vec<i8>,
    /// Scale and offset of each block.
    scales: Vec<[f32; 2]>,
    executor: GemmExecutor<f32>,
}

impl Product {
    /// Weights row by output, of a length that is a multiple of 32.
    pub(super) fn new(matrix: &QTensor) -> Result<Self> {
        let inputs = matrix.shape().dims().last().copied().unwrap_or_default();
        let n = matrix.shape().elem_count();
        let (mut numbers, mut scales) = (Vec::with_capacity(n), Vec::with_capacity(n / BLOCK));
        if matrix.dtype() == GgmlDType::Q8_0 {
            for block in matrix.data()?.as_chunks::<{ 2 + BLOCK }>().0 {
                scales.push([f16::from_le_bytes([block[0], block[1]]).to_f32(), 0.0]);
                numbers.extend(block[2..].iter().map(|byte| byte.cast_signed()));
            }
        } else {
            let weights = matrix.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?;
            for block in weights.to_vec1::<f32>()?.as_chunks::<BLOCK>().0 {
                let low = block.iter().copied().fold(f32::INFINITY, f32::min);
                let high = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let whole = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
                let even = (high.max(-low) / 127.0).max(f32::MIN_POSITIVE);
                let ways = [[even, 0.0], [whole, low + 128.0 * whole]].map(|way| (rounded(block, way), way));
                let [(first, first_way), (second, second_way)] = ways;
                let is_first = loss(block, &first, first_way) <= loss(block, &second, second_way);
                scales.push(if is_first { first_way } else { second_way });
                numbers.extend(if is_first { first } else { second });
            }
        }
        Ok(Self { inputs, numbers, scales, executor: GemmExecutor::default() })
    }

    /// Rows, one of each output.
    pub(super) fn outputs(&self) -> usize {
        self.numbers.len() / self.inputs.max(1)
    }

    /// The weights of an output.
    pub(super) fn weights(&self, output: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.inputs];
        self.write(output, &mut row);
        row
    }

    /// Outputs of rows of inputs, row by row.
    pub(super) fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let n = rows.len() / self.inputs.max(1);
        let panel = |first: usize| first..(first + PANEL).min(self.outputs());
        let panels = (0..self.outputs()).step_by(PANEL).collect::<Vec<_>>().into_par_iter().map(panel);
        // Each panel's outputs, row by row.
        let parts: Vec<Vec<f32>> = panels
            .map(|outputs| if n <= FEW { self.few(rows, outputs) } else { self.many(rows, outputs) })
            .collect();
        (0..n).flat_map(|row| parts.iter().flat_map(move |part| chunk(part, row, n))).collect()
    }

    fn few(&self, rows: &[f32], outputs: std::ops::Range<usize>) -> Vec<f32> {
        let blocks = self.inputs / BLOCK;
        let mut out = Vec::with_capacity(rows.len() / self.inputs.max(1) * outputs.len());
        for row in rows.chunks_exact(self.inputs) {
            let inputs = row.as_chunks::<BLOCK>().0;
            let sums: Vec<f32> = inputs.iter().map(|block| block.iter().sum()).collect();
            for output in outputs.clone() {
                let own = output * blocks..(output + 1) * blocks;
                let numbers = &self.numbers.as_chunks::<BLOCK>().0[own.clone()];
                out.push(dot(numbers, &self.scales[own], inputs, &sums));
            }
        }
        out
    }

    fn many(&self, rows: &[f32], outputs: std::ops::Range<usize>) -> Vec<f32> {
        let (n, width) = (rows.len() / self.inputs, outputs.len());
        let mut weights = vec![0.0; width * self.inputs];
        let into = weights.chunks_exact_mut(self.inputs);
        outputs.zip(into).for_each(|(output, into)| self.write(output, into));
        let mut out = vec![0.0; n * width];
        let rows = GemmInputA::Unpacked(NdTensorView::from_data([n, self.inputs], rows));
        let weights = NdTensorView::from_data([width, self.inputs], &weights[..]);
        let weights = GemmInputB::Unpacked(weights.transposed());
        // It fails for shapes that do not fit each other alone, and these are this matrix's own.
        let done = self.executor.gemm(&mut out, rows, weights, GemmOptions::default());
        debug_assert!(done.is_ok());
        out
    }

    fn write(&self, output: usize, into: &mut [f32]) {
        let own = output * self.inputs / BLOCK..(output + 1) * self.inputs / BLOCK;
        let (numbers, scales) = (&self.numbers.as_chunks::<BLOCK>().0[own.clone()], &self.scales[own]);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let into = into;
                for ((into, numbers), [scale, offset]) in
                    into.as_chunks_mut::<BLOCK>().0.iter_mut().zip(numbers).zip(scales)
                {
                    into.iter_mut().zip(numbers).for_each(|(x, q)| *x = f32::from(*q) * scale + offset);
                }
            },
        );
    }
}

/// Weights as whole numbers of a scale beyond an offset.
fn rounded(block: &[f32; BLOCK], [scale, offset]: [f32; 2]) -> [i8; BLOCK] {
    block.map(|weight| ((weight - offset) / scale).round() as i8)
}

/// The sum of squares of what rounding changed.
fn loss(block: &[f32; BLOCK], rounded: &[i8; BLOCK], [scale, offset]: [f32; 2]) -> f32 {
    block.iter().zip(rounded).map(|(weight, q)| (weight - f32::from(*q) * scale - offset).powi(2)).sum()
}

/// The numbers of a row in a part that has `n` rows.
fn chunk(part: &[f32], row: usize, n: usize) -> impl Iterator<Item = f32> + '_ {
    let width = part.len() / n.max(1);
    part[row * width..(row + 1) * width].iter().copied()
}

/// One output: what each lane adds up stays apart until the end.
fn dot(numbers: &[[i8; BLOCK]], scales: &[[f32; 2]], inputs: &[[f32; BLOCK]], sums: &[f32]) -> f32 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (mut lanes, mut offsets) = ([0.0f32; LANES], 0.0);
            for (((q, [scale, offset]), x), sum) in numbers.iter().zip(scales).zip(inputs).zip(sums) {
                let mut own = [0.0f32; LANES];
                for (q, x) in q.as_chunks::<LANES>().0.iter().zip(x.as_chunks::<LANES>().0) {
                    own.iter_mut().zip(q.iter().zip(x)).for_each(|(own, (q, x))| *own += f32::from(*q) * x);
                }
                lanes.iter_mut().zip(own).for_each(|(sum, own)| *sum += scale * own);
                offsets += offset * sum;
            }
            lanes.iter().sum::<f32>() + offsets
        },
    )
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;

    fn weights(outputs: usize) -> Vec<f32> {
        (0..outputs * 64).map(|n| (n as f32 * 0.37).sin() + 0.2).collect()
    }

    fn quantised(weights: &[f32], kind: GgmlDType) -> QTensor {
        let whole = Tensor::from_vec(weights.to_vec(), (weights.len() / 64, 64), &Device::Cpu).unwrap();
        QTensor::quantize(&whole, kind).unwrap()
    }

    #[test]
    fn few_rows_and_many_have_the_products_of_the_written_weights() {
        for (kind, loss) in [(GgmlDType::Q8_0, 1e-7), (GgmlDType::Q4_1, 4e-3), (GgmlDType::F32, 5e-3)] {
            let matrix = quantised(&weights(300), kind);
            let product = Product::new(&matrix).unwrap();
            let whole: Vec<f32> =
                matrix.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(product.outputs(), 300);
            for (output, whole) in whole.chunks_exact(64).enumerate() {
                for (found, weight) in product.weights(output).iter().zip(whole) {
                    assert!((found - weight).abs() <= loss, "{kind:?}: {found} is not {weight}");
                }
            }
            for n in [1, 2, 9] {
                let rows: Vec<f32> = (0..n * 64).map(|n| (n as f32 * 0.73).cos()).collect();
                let found = product.apply(&rows);
                assert_eq!(found.len(), n * 300);
                for (row, found) in rows.chunks_exact(64).zip(found.chunks_exact(300)) {
                    for (output, found) in found.iter().enumerate() {
                        let expected: f32 = product.weights(output).iter().zip(row).map(|(w, x)| w * x).sum();
                        assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
                    }
                }
            }
        }
    }
}
